/** Shapes of injected instructions: each row a rule, what to look for it by, its pattern and how much it weighs. */
import type { Anchored } from "./anchors.ts"

export type InjectionRule = Anchored & { rule: string; weight: number; source: string }

/** Up to so many words in between. Words and what parts them share no character, so there is one way to read a text as words. */
const words = (most: number) => String.raw`(?:[^\s,.:;>]{1,30}[\s,.:;>]{1,4}){0,${most}}?["'“‘*_]{0,2}`
const GAP = String.raw`["'”’*_]{0,2}[\s,.:;>]{1,4}["'“‘*_]{0,2}`
const ORDERS = String.raw`(?:instructions?|instruct|prompts?|rules?|guidelines?|directives?|commands?|orders|messages?|conversation|context|programming|constraints?|restrictions?|policy|policies|training|tasks?|requests?|everything|text|polic(?:y|ies))`
const BEFORE = String.raw`(?:previous(?:ly)?|prior|above|earlier|preceding|foregoing|all|any|your|my|the|these|those|original|initial|system|other|current|existing|every|everything|what(?:ever)?)`

function rule(name: string, literal: string | readonly string[], pattern: string, weight: number, source: string, before?: RegExp): InjectionRule {
  return { rule: name, literal, pattern: new RegExp(pattern, "iy"), weight, source, ...(before ? { before } : {}) }
}

export const injectionRules: readonly InjectionRule[] = [
  rule(
    "ignore-previous",
    ["ignore", "disregard", "forget", "neglect", "overlook"],
    String.raw`(?:ignor(?:e|ing)|disregard(?:ing)?|forget(?:ting)?|neglect|overlook)${GAP}${words(2)}(?:(?:previous(?:ly)?|prior|above|earlier|preceding|foregoing|original|initial|system)${GAP}${words(2)}${ORDERS}|(?:all|any|your|these|those|every)${GAP}${words(3)}(?:instructions?|prompts?|guidelines?|directives?|orders|programming|restrictions?)|(?:everything|all|what(?:ever)?)${GAP}${words(3)}(?:above|before|previous(?:ly)?|prior|said|told|so far))`,
    1,
    "Perez & Ribeiro 2022",
  ),
  rule(
    "override-rules",
    ["override", "bypass", "do not follow", "don't follow", "stop following", "no longer bound", "not bound by", "instead of following"],
    String.raw`(?:overrid(?:e|es|ing)|bypass(?:ing)?|(?:do not|don't|stop) follow(?:ing)?|(?:no longer|not) bound (?:by|to)|instead of following)${GAP}${words(2)}(?:${BEFORE}${GAP}${words(2)})(?:instructions?|prompts?|rules|guidelines?|directives?|programming|restrictions?|polic(?:y|ies)|filters?|safety)`,
    0.5,
    "Liu et al. 2023, prompt injection against applications",
  ),
  rule(
    "new-orders",
    ["new instruction", "updated instruction", "new task", "new directive", "real instruction", "actual task", "revised instruction", "special instruction", "important instruction", "additional instruction"],
    String.raw`(?:new|updated|real|actual|revised|special|important|additional)\s{1,2}(?:instructions?|task|directives?)(?:\s{0,2}(?:[:!]|\*{2}|for (?:you|the (?:ai|assistant|model))|(?:is|are) (?:to|as follows)|-{2,}|<))`,
    0.5,
    "Open-Prompt-Injection: context switches",
  ),
  rule(
    "do-this-first",
    ["before you can", "do the following first", "before you start", "before you continue", "before answering", "before doing anything"],
    String.raw`(?:before (?:you (?:can|start|continue|proceed)|answering|doing anything)[^.\n]{0,120}(?:please|must|you (?:have|need) to|first)|do the following first)`,
    0.5,
    "AgentDojo 2024: important instructions",
  ),
  rule(
    "message-to-the-model",
    ["message from me", "message to you", "to you, ", "note to the ai", "note to ai", "attention ai", "dear ai", "dear assistant", "instructions for the ai", "instructions for ai", "hey ai", "ai assistant:", "ai agent"],
    String.raw`(?:message (?:from me|to you)[^.\n]{0,60}(?:ai|gpt|claude|assistant|model|llm)|to you, (?:gpt|claude|chatgpt|gemini|llama|ai|the (?:ai|assistant|language model))|(?:note to|attention|dear|instructions for|hey)(?: the| all| any)? (?:ai|assistant|llm|language model|chat ?bot|gpt)\b[^.\n]{0,40}[:,!]|ai (?:agents?|assistants?)(?: reading| processing| that reads?| must|, (?:please|you must)))`,
    0.5,
    "AgentDojo 2024; Greshake et al. 2023",
  ),
  rule("chat-markup", ["<|im_", "<|system", "<|user", "<|assistant", "<|endoftext", "<|eot_id", "<|start_header", "<|end"], String.raw`<\|(?:im_(?:start|end|sep)|system|user|assistant|endoftext|eot_id|start_header_id|end_header_id|end(?:_of_(?:text|turn))?)\|>`, 1, "chat templates of open models"),
  rule("inst-markup", ["[inst]", "[/inst]", "<<sys>>", "<</sys>>", "<start_of_turn>", "<end_of_turn>"], String.raw`\[/?inst\]|<</?sys>>|<(?:start|end)_of_turn>`, 1, "chat templates of open models"),
  rule(
    "fence-breakout",
    ["<untrusted", "</untrusted", "</tool_output", "</tool_result", "</system", "<system", "</document", "</data>", "</user", "<information>", "</instructions", "<instructions", "<important>"],
    String.raw`</?(?:untrusted|tool_(?:output|result)|system(?:[_-]?prompt)?|instructions?|information|important)\b[^>\n]{0,100}>|</(?:documents?|data|user(?:_input)?)>`,
    0.5,
    "closing-tag breakouts reported against agents",
  ),
  rule("role-line", ["system:", "assistant:", "developer:", "system prompt:", "system message:", "### system", "### instruction"], String.raw`(?:### )?(?:system(?: (?:prompt|message))?|assistant|developer|instructions?)\s{0,2}:\s{0,4}\S`, 0.5, "transcript forgery", /(?:^|\n)[ \t#*>[("-]{0,8}$/),
  rule(
    "new-identity",
    ["you are now", "you are going to act", "act as", "pretend to be", "pretend you", "you will act", "you're now", "roleplay as", "role-play as", "take on the role", "assume the role", "simulate a"],
    String.raw`(?:you(?:'re| are)(?: going to act as| now)|(?:you will |will now )?(?:act|role-?play) as|pretend (?:to be|you(?:'re| are))|(?:take on|assume) the role of|simulate)${GAP}${words(6)}(?:unrestricted|jailbroken|root|admin|dan|aim|unfiltered|uncensored|amoral|evil|without (?:any )?(?:restrictions|limits|filters|rules)|no (?:restrictions|limits|rules|filters|ethical)|free (?:from|of)|anything|chatbot|language model|ai\b|gpt)`,
    0.5,
    "Shen et al. 2023, in-the-wild jailbreaks",
  ),
  rule(
    "jailbreak-words",
    ["do anything now", "developer mode", "jailbreak", "dan mode", "no moral", "without any restrictions", "no restrictions", "ethical guidelines", "stay in character", "openai's policies", "openai policies", "content policy", "content policies", "uncensored", "unfiltered", "never refuse", "cannot refuse", "without any censorship", "amoral"],
    String.raw`(?:do anything now|developer mode (?:enabled|output|on\b)|jailbr(?:oken|eak(?: mode| prompt|ed)?)|dan mode|(?:no|without(?: any)?) (?:moral|ethical|restrictions|censorship)[^.\n]{0,60}|ethical guidelines[^.\n]{0,40}(?:not|no|ignore|free)|stay in character|openai(?:'s)? (?:content )?polic(?:y|ies)|content polic(?:y|ies)[^.\n]{0,60}(?:not|ignore|bypass|free|no)|uncensored|unfiltered (?:and|response|ai|answer|version)|(?:never|cannot) refuse|amoral)`,
    0.5,
    "Shen et al. 2023, in-the-wild jailbreaks",
  ),
  rule(
    "from-now-on",
    ["from now on", "from this point", "for the rest of this", "henceforth"],
    String.raw`(?:from (?:now on|this point(?: on| forward)?)|for the rest of (?:this|our) (?:conversation|chat|session)|henceforth)[\s,]{1,3}(?:you|your|all|every|always|only|respond|answer|reply|act|speak|i want)`,
    0.5,
    "persona attacks",
  ),
  rule(
    "hide-from-user",
    ["do not tell", "don't tell", "never tell", "do not mention", "don't mention", "do not inform", "don't inform", "do not reveal", "do not alert", "do not notify", "without telling", "without informing", "without mentioning", "without the user", "never mention", "do not show", "don't show", "do not disclose"],
    String.raw`(?:(?:do not|don't|never) (?:tell|mention|inform|reveal|alert|notify|show|disclose)|without (?:telling|informing|mentioning|alerting))${GAP}${words(4)}(?:user|owner|human|anyone|anybody|victim)\b|without the user(?:'s)? (?:knowing|knowledge|noticing|consent)`,
    1,
    "indirect injections in pages and mail",
  ),
  rule(
    "prompt-leak",
    ["system prompt", "initial prompt", "instructions above", "your instructions", "hidden prompt", "prompt verbatim", "your prompt", "initial instructions", "text above", "words above"],
    String.raw`(?:(?:system|initial|hidden|original|your) (?:prompt|instructions)|prompt|(?:instructions|text|words) above)\b`,
    0.75,
    "Zhang & Ippolito 2023, prompt extraction",
    /(?:reveal|print|repeat|show|output|display|tell me|give me|what (?:is|are|was|were)|leak|translate|summari[sz]e|copy|write(?: out| down)?|recite|spell ?check|return|dump|say)[\s,:"']{1,3}(?:[\w']{1,15}[\s,:"']{1,3}){0,5}$/i,
  ),
  rule(
    "say-instead",
    ["just print", "only print", "instead print", "print the", "instead say", "just say", "and print", "and say", "simply say", "say exactly", "respond with", "reply with", "output only", "and output"],
    String.raw`(?:(?:just|only|instead|simply|then|and)[\s,]{1,2})?(?:print|say|respond with|reply with|output)\b(?: (?:just|only|exactly|the (?:phrase|word|words|text|following|string|term)|nothing but))*[\s:,]{1,3}["“'‘*(]`,
    0.5,
    "garak: latent injection",
  ),
  rule(
    "send-secrets",
    ["send", "forward", "upload", "exfiltrate", "post", "email", "transmit", "leak"],
    String.raw`(?:send|forward|upload|exfiltrate|post|e-?mail|transmit|leak)${GAP}${words(6)}(?:passwords?|credentials?|api[ _-]?keys?|secrets?|private keys?|access tokens?|ssh keys?|env(?:ironment)? variables?|session cookies?|credit cards?|conversation history|chat history|contacts|codes?)${GAP}${words(6)}(?:to|at|via)\b`,
    0.75,
    "Greshake et al. 2023: exfiltration goals",
  ),
  rule(
    "image-beacon",
    ["](h"],
    String.raw`\]\(https?://[^\s)]{4,200}[?&/=](?:\{\{?|\[|<|%7B|\$\{)[^)\n]{1,80}(?:\}|\]|>|%7D)`,
    0.75,
    "Rehberger 2023: data in image addresses",
  ),
  rule(
    "urgent-order",
    ["important!!", "important message", "urgent:", "emergency:", "critical instruction", "mandatory:", "attention!", "stop!", "important: ", "[admin", "admin override", "system override", "system alert", "priority override"],
    String.raw`(?:important(?:!{2,}|: (?:ignore|you must|please|disregard|when|before|the (?:assistant|ai|model)|do not))|important message (?:to|from|for)|(?:urgent|emergency|mandatory)[:!]|critical instructions?|attention!|stop![^.\n]{0,80}|\[?(?:admin|system|priority)[ _-]?(?:override|alert|message|mode|command|instruction))`,
    0.5,
    "spikee; AgentDojo",
  ),
  rule(
    "fake-end",
    ["end of document", "end of the document", "end of context", "end of user", "end of data", "end of input", "end of page", "end_of", "-----end", "task completed", "task complete", "answer: task"],
    String.raw`(?:end of (?:the )?(?:documents?|context|user(?: input| data)?|data|input|page)\b[^\n]{0,20}(?:\n|$|[-=*\])>]{2,})|(?:answer: )?task complete[d]?\b[.!:]?)`,
    0.5,
    "Willison 2022, fake completions",
  ),
]

/** Text that is there for the model and not for a person. */
export const HIDDEN = { rule: "hidden-text", weight: 0.5, source: "Unicode tag and bidi smuggling" } as const
/** Four tag letters spell a word; two direction overrides in a row turn text round and back. */
export const HIDDEN_FORM = /(?:\udb40[\udc20-\udc7e]){4}|[\u202a-\u202e\u2066-\u2069]{2}|[\u200b\u200c\u200d\u2060\ufeff]{8}|(?:\udb40[\udd00-\uddef]){4}/
