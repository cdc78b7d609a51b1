/** Pages read in this very process, for tests whose matter is what happens to the text afterwards. */
import { systemClock } from "#core/clock.ts"
import type { ReadPage } from "#core/tools/web-fetch.ts"
import { readableOf } from "#sandbox/parse/html-markdown.ts"

export const readPage: ReadPage = async (page) => ({ ok: true, ...(await readableOf({ ...page, clock: systemClock })) })
