/** Which ironclaw this is. The build stamps these names; from the sources they are what the sources say. */
import { version as sourceVersion } from "../../package.json"

declare const BUILD_VERSION: string
declare const BUILD_COMMIT: string
declare const BUILD_DATE: string
declare const BUILD_TARGET: string
declare const BUILD_RELEASE: number

export const version: string = typeof BUILD_VERSION === "string" ? BUILD_VERSION : sourceVersion
/** Twelve digits of the commit, "-dirty" behind it where the tree had changes; "source" where nothing was built. */
export const commit: string = typeof BUILD_COMMIT === "string" ? BUILD_COMMIT : "source"
/** ISO time of the build, "" where nothing was built. */
export const builtAt: string = typeof BUILD_DATE === "string" ? BUILD_DATE : ""
/** The kind of machine that it was built for, as releases name it: `linux-x64-musl`. */
export const target: string = typeof BUILD_TARGET === "string" ? BUILD_TARGET : `${process.platform}-${process.arch}`
/** The number of the release that it came in; 0 where it came in none. */
export const releaseNumber: number = typeof BUILD_RELEASE === "number" ? BUILD_RELEASE : 0
/** Whether this is the compiled program, and no run of the sources. */
export const isBuilt: boolean = typeof BUILD_VERSION === "string"
