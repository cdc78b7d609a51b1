/** Whether a disk is encrypted, asked of machines made of words. */
import { expect, test } from "bun:test"
import { diskEncryptionUnder, type Machine } from "#cmd/doctor/disk-encryption.ts"

function machine(
  mounts: string,
  files: Record<string, string | string[]>,
  links: Record<string, string> = {},
): Machine {
  const texts: Record<string, string | string[]> = { "/proc/self/mounts": mounts, ...files }
  return {
    read: (path) => (typeof texts[path] === "string" ? texts[path] : null),
    list: (path) => (Array.isArray(texts[path]) ? texts[path] : []),
    real: (path) => links[path] ?? path,
  }
}

test("a partition that is no device mapper's is plain", () => {
  const plain = machine("/dev/sda1 / ext4 rw 0 0\n", { "/sys/class/block/sda1": ["size"] })
  expect(diskEncryptionUnder("/home/ada/.ironclaw/db", plain)).toEqual({ state: "plain", how: "/dev/sda1" })
})

test("LVM on LUKS is encrypted, by what it is made of", () => {
  const layered = machine(
    "/dev/sda1 /boot ext4 rw 0 0\n/dev/mapper/vg-root / ext4 rw 0 0\n",
    {
      "/sys/class/block/dm-1": ["dm", "slaves"],
      "/sys/class/block/dm-1/dm/uuid": "LVM-abc\n",
      "/sys/class/block/dm-1/slaves": ["dm-0"],
      "/sys/class/block/dm-0": ["dm", "slaves"],
      "/sys/class/block/dm-0/dm/uuid": "CRYPT-LUKS2-abc\n",
    },
    { "/dev/mapper/vg-root": "/dev/dm-1" },
  )
  expect(diskEncryptionUnder("/home/ada", layered).state).toBe("encrypted")
})

test("a RAID of which one half is plain is plain, and one that cannot be seen whole is not judged", () => {
  const raid = (second: Record<string, string | string[]>) =>
    machine("/dev/md0 / ext4 rw 0 0\n", {
      "/sys/class/block/md0": ["slaves"],
      "/sys/class/block/md0/slaves": ["dm-0", "sdb1"],
      "/sys/class/block/dm-0": ["dm"],
      "/sys/class/block/dm-0/dm/uuid": "CRYPT-LUKS2-abc",
      ...second,
    })
  expect(diskEncryptionUnder("/x", raid({ "/sys/class/block/sdb1": ["size"] })).state).toBe("plain")
  expect(diskEncryptionUnder("/x", raid({})).state).toBe("unknown")
})

test("the innermost mount counts, with blanks in its path", () => {
  const nested = machine("/dev/sda1 / ext4 rw 0 0\ngocryptfs /home/ada/my\\040files fuse.gocryptfs rw 0 0\n", {
    "/sys/class/block/sda1": ["size"],
  })
  expect(diskEncryptionUnder("/home/ada/my files/home", nested).state).toBe("encrypted")
  expect(diskEncryptionUnder("/home/ada/my files 2", nested).state).toBe("plain")
})

test("a container's overlay, memory and what nobody mounted cannot be told", () => {
  for (const mounts of ["overlay / overlay rw 0 0\n", "tmpfs / tmpfs rw 0 0\n", ""])
    expect(diskEncryptionUnder("/x", machine(mounts, {})).state).toBe("unknown")
})
