/** Shapes of injected instructions: each row a rule, its pattern (linear time: no nested repetition) and how much it weighs. */

export type InjectionRule = { rule: string; pattern: RegExp; weight: number; source: string }

export const injectionRules: readonly InjectionRule[] = [
  {
    rule: "ignore-previous",
    pattern:
      /\b(?:ignore|disregard|forget)\s+(?:all\s+)?(?:of\s+)?(?:the\s+|your\s+|my\s+)?(?:previous|prior|above|earlier)\s+(?:instructions?|prompts?|rules|messages?)/i,
    weight: 1,
    source: "Perez & Ribeiro 2022",
  },
  {
    rule: "chat-markup",
    pattern: /<\|(?:im_start|im_end|system|user|assistant|endoftext)\|>|\[\/?INST\]|<<\/?SYS>>/i,
    weight: 1,
    source: "chat templates of open models",
  },
  {
    rule: "fence-breakout",
    pattern: /<\/?(?:untrusted|tool_output|tool_result|system|instructions?)\b[^>]{0,100}>/i,
    weight: 0.5,
    source: "closing-tag breakouts reported against peers",
  },
  {
    rule: "role-line",
    pattern: /^\s{0,8}(?:system|assistant|developer)\s{0,4}:\s{0,4}\S/im,
    weight: 0.5,
    source: "transcript forgery",
  },
  {
    rule: "new-identity",
    pattern:
      /\b(?:you are now|from now on,? you(?:'re| are)|act as (?:an?|the) (?:unrestricted|jailbroken|root|admin))\b/i,
    weight: 0.5,
    source: "persona attacks",
  },
  {
    rule: "hide-from-user",
    pattern:
      /\b(?:do not|don't|never)\s+(?:tell|mention|inform|reveal|show)\s+(?:this\s+)?(?:to\s+)?(?:the\s+)?(?:user|owner|human)\b/i,
    weight: 1,
    source: "indirect injections in pages and mail",
  },
  {
    rule: "invisible-text",
    pattern: /[\u{E0020}-\u{E007E}]{4,}|[\u202A-\u202E\u2066-\u2069]{2,}/u,
    weight: 0.5,
    source: "Unicode tag and bidi smuggling",
  },
]
