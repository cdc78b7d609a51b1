/** Installs the guard by being imported: for entries whose imports would otherwise all come before their first statement. */
import { installGuard } from "./guard.ts"

installGuard()
