/* Six small programs whose loops look like those of plugins: scripts/bench/meter.ts times them metered and unmetered. */
typedef unsigned char u8;
typedef unsigned int u32;
#define EXPORT(n) __attribute__((export_name(#n)))

static u8 bytes[1 << 20];
static u32 words[1 << 16];
static double a[96 * 96], b[96 * 96], c[96 * 96];

static u32 seed;
static u32 next(void) {
  seed ^= seed << 13;
  seed ^= seed >> 17;
  return seed ^= seed << 5;
}

EXPORT(sieve) u32 sieve(u32 rounds) {
  u32 found = 0;
  for (u32 round = 0; round < rounds; round++) {
    const u32 size = sizeof bytes;
    for (u32 i = 0; i < size; i++) bytes[i] = 1;
    for (u32 i = 2; i * i < size; i++)
      if (bytes[i])
        for (u32 j = i * i; j < size; j += i) bytes[j] = 0;
    for (u32 i = 2; i < size; i++) found += bytes[i];
  }
  return found;
}

static __attribute__((noinline)) u32 fibonacci(u32 n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
EXPORT(fib) u32 fib(u32 rounds) {
  u32 sum = 0;
  for (u32 round = 0; round < rounds; round++) sum += fibonacci(27 + (round & 1));
  return sum;
}

EXPORT(matmul) u32 matmul(u32 rounds) {
  const u32 n = 96;
  seed = 1;
  for (u32 i = 0; i < n * n; i++) a[i] = next() % 7, b[i] = next() % 5;
  for (u32 round = 0; round < rounds; round++)
    for (u32 i = 0; i < n; i++)
      for (u32 j = 0; j < n; j++) {
        double sum = 0;
        for (u32 k = 0; k < n; k++) sum += a[i * n + k] * b[k * n + j];
        c[i * n + j] = sum + round;
      }
  return (u32)c[n + 1];
}

static const u32 K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
#define ROTATE(x, n) (((x) >> (n)) | ((x) << (32 - (n))))
/* The compression function of SHA-256 (FIPS 180-4), over 64 KiB in each round. */
EXPORT(sha) u32 sha(u32 rounds) {
  u32 h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  for (u32 at = 0; at < rounds * 1024; at++) {
    const u8 *block = bytes + (at & 1023) * 64;
    u32 w[64];
    for (u32 i = 0; i < 16; i++)
      w[i] = (u32)block[i * 4] << 24 | (u32)block[i * 4 + 1] << 16 | (u32)block[i * 4 + 2] << 8 | block[i * 4 + 3];
    for (u32 i = 16; i < 64; i++)
      w[i] = w[i - 16] + (ROTATE(w[i - 15], 7) ^ ROTATE(w[i - 15], 18) ^ (w[i - 15] >> 3)) + w[i - 7] +
             (ROTATE(w[i - 2], 17) ^ ROTATE(w[i - 2], 19) ^ (w[i - 2] >> 10));
    u32 v[8];
    for (u32 i = 0; i < 8; i++) v[i] = h[i];
    for (u32 i = 0; i < 64; i++) {
      u32 one = v[7] + (ROTATE(v[4], 6) ^ ROTATE(v[4], 11) ^ ROTATE(v[4], 25)) + ((v[4] & v[5]) ^ (~v[4] & v[6])) + K[i] + w[i];
      u32 two = (ROTATE(v[0], 2) ^ ROTATE(v[0], 13) ^ ROTATE(v[0], 22)) + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
      v[7] = v[6], v[6] = v[5], v[5] = v[4], v[4] = v[3] + one, v[3] = v[2], v[2] = v[1], v[1] = v[0], v[0] = one + two;
    }
    for (u32 i = 0; i < 8; i++) h[i] += v[i];
  }
  return h[0];
}

/* Counts the values of a JSON text as a parser meets them, by recursive descent. */
static const u8 *text;
static __attribute__((noinline)) u32 value(void) {
  while (*text == ' ' || *text == '\n') text++;
  u32 count = 1;
  if (*text == '{' || *text == '[') {
    const u8 close = *text++ == '{' ? '}' : ']';
    while (*text != close) {
      if (close == '}') {
        count += value();
        text++; /* the colon */
      }
      count += value();
      if (*text == ',') text++;
    }
    text++;
  } else if (*text == '"') {
    for (text++; *text != '"'; text++)
      if (*text == '\\') text++;
    text++;
  } else {
    u32 number = 0;
    while ((*text >= '0' && *text <= '9') || *text == '.' || *text == '-') number = number * 10 + (*text++ - '0');
    count += number & 1;
  }
  return count;
}
EXPORT(json) u32 json(u32 rounds) {
  static const char row[] = "{\"id\": 12345, \"name\": \"A \\\"quoted\\\" name\", \"tags\": [\"one\", \"two\"], \"at\": {\"x\": 1.25, \"y\": -7}}";
  u32 at = 0;
  bytes[at++] = '[';
  for (u32 i = 0; i < 2000; i++) {
    if (i) bytes[at++] = ',';
    for (u32 k = 0; k < sizeof row - 1; k++) bytes[at++] = row[k];
  }
  bytes[at++] = ']';
  bytes[at] = 0;
  u32 count = 0;
  for (u32 round = 0; round < rounds; round++) {
    text = bytes;
    count += value();
  }
  return count;
}

static __attribute__((noinline)) void quicksort(u32 *from, u32 *to) {
  while (to - from > 16) {
    const u32 pivot = from[(to - from) / 2];
    u32 *low = from, *high = to - 1;
    for (;;) {
      while (*low < pivot) low++;
      while (*high > pivot) high--;
      if (low >= high) break;
      const u32 kept = *low;
      *low++ = *high, *high-- = kept;
    }
    quicksort(low, to);
    to = low;
  }
  for (u32 *i = from + 1; i < to; i++) {
    const u32 kept = *i;
    u32 *j = i;
    for (; j > from && j[-1] > kept; j--) *j = j[-1];
    *j = kept;
  }
}
EXPORT(sort) u32 sort(u32 rounds) {
  seed = 7;
  u32 sum = 0;
  for (u32 round = 0; round < rounds; round++) {
    const u32 n = sizeof words / sizeof *words;
    for (u32 i = 0; i < n; i++) words[i] = next();
    quicksort(words, words + n);
    for (u32 i = 1; i < n; i++) sum += words[i - 1] <= words[i];
  }
  return sum;
}
