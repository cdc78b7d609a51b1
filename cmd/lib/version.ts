/** Which ironclaw this is. The build stamps these names; from the sources they are what the sources say. */
import { version as sourceVersion } from "../../package.json"

declare const BUILD_VERSION: string
declare const BUILD_COMMIT: string
declare const BUILD_DATE: string

export const version: string = typeof BUILD_VERSION === "string" ? BUILD_VERSION : sourceVersion
/** Twelve digits of the commit, "-dirty" behind it where the tree had changes; "source" where nothing was built. */
export const commit: string = typeof BUILD_COMMIT === "string" ? BUILD_COMMIT : "source"
/** ISO time of the build, "" where nothing was built. */
export const builtAt: string = typeof BUILD_DATE === "string" ? BUILD_DATE : ""
