/**
 * What guests may import, by module, name and signature: the one list by which modules are judged and for which the engine has functions.
 * Source: Extism's kernel as its plugin kits of 1.0 to 1.4 import it (extism.org, "host environment"), and WASI preview 1
 * (`wasi_snapshot_preview1.witx`). A WASI function that reaches outside is there, since compilers link it in, and answers "not capable".
 */
import { hostFunctionNames } from "./child/guest.ts"
import type { AllowedImports } from "./meter.ts"

type Signatures = Readonly<Record<string, readonly string[]>>

export const KERNEL_MODULE = "extism:host/env"
export const HOST_MODULE = "extism:host/user"
export const WASI_MODULE = "wasi_snapshot_preview1"

/** Offsets into the host's blocks are i64, JSON strings in such blocks go in and come out of host functions. */
const kernel: Signatures = {
  alloc: ["i64->i64"],
  free: ["i64->"],
  length: ["i64->i64"],
  length_unsafe: ["i64->i64"],
  load_u8: ["i64->i32"],
  load_u64: ["i64->i64"],
  store_u8: ["i64,i32->"],
  store_u64: ["i64,i64->"],
  input_offset: ["->i64"],
  input_length: ["->i64"],
  input_load_u8: ["i64->i32"],
  input_load_u64: ["i64->i64"],
  output_set: ["i64,i64->"],
  error_set: ["i64->"],
  config_get: ["i64->i64"],
  var_get: ["i64->i64"],
  var_set: ["i64,i64->"],
  http_request: ["i64,i64->i64"],
  http_status_code: ["->i32"],
  http_headers: ["->i64"],
  get_log_level: ["->i32"],
  log_trace: ["i64->"],
  log_debug: ["i64->"],
  log_info: ["i64->"],
  log_warn: ["i64->"],
  log_error: ["i64->"],
}

export const wasiSignatures = {
  args_get: "i32,i32->i32",
  args_sizes_get: "i32,i32->i32",
  environ_get: "i32,i32->i32",
  environ_sizes_get: "i32,i32->i32",
  clock_res_get: "i32,i32->i32",
  clock_time_get: "i32,i64,i32->i32",
  fd_advise: "i32,i64,i64,i32->i32",
  fd_allocate: "i32,i64,i64->i32",
  fd_close: "i32->i32",
  fd_datasync: "i32->i32",
  fd_fdstat_get: "i32,i32->i32",
  fd_fdstat_set_flags: "i32,i32->i32",
  fd_fdstat_set_rights: "i32,i64,i64->i32",
  fd_filestat_get: "i32,i32->i32",
  fd_filestat_set_size: "i32,i64->i32",
  fd_filestat_set_times: "i32,i64,i64,i32->i32",
  fd_pread: "i32,i32,i32,i64,i32->i32",
  fd_prestat_get: "i32,i32->i32",
  fd_prestat_dir_name: "i32,i32,i32->i32",
  fd_pwrite: "i32,i32,i32,i64,i32->i32",
  fd_read: "i32,i32,i32,i32->i32",
  fd_readdir: "i32,i32,i32,i64,i32->i32",
  fd_renumber: "i32,i32->i32",
  fd_seek: "i32,i64,i32,i32->i32",
  fd_sync: "i32->i32",
  fd_tell: "i32,i32->i32",
  fd_write: "i32,i32,i32,i32->i32",
  path_create_directory: "i32,i32,i32->i32",
  path_filestat_get: "i32,i32,i32,i32,i32->i32",
  path_filestat_set_times: "i32,i32,i32,i32,i64,i64,i32->i32",
  path_link: "i32,i32,i32,i32,i32,i32,i32->i32",
  path_open: "i32,i32,i32,i32,i32,i64,i64,i32,i32->i32",
  path_readlink: "i32,i32,i32,i32,i32,i32->i32",
  path_remove_directory: "i32,i32,i32->i32",
  path_rename: "i32,i32,i32,i32,i32,i32->i32",
  path_symlink: "i32,i32,i32,i32,i32->i32",
  path_unlink_file: "i32,i32,i32->i32",
  poll_oneoff: "i32,i32,i32,i32->i32",
  proc_exit: "i32->",
  proc_raise: "i32->i32",
  sched_yield: "->i32",
  random_get: "i32,i32->i32",
  sock_accept: "i32,i32,i32->i32",
  sock_recv: "i32,i32,i32,i32,i32,i32->i32",
  sock_send: "i32,i32,i32,i32,i32->i32",
  sock_shutdown: "i32,i32->i32",
} as const satisfies Readonly<Record<string, string>>

const host: Signatures = Object.fromEntries(hostFunctionNames.map((name) => [name, ["i64->i64"]]))

export const guestImports: AllowedImports = {
  [KERNEL_MODULE]: kernel,
  [HOST_MODULE]: host,
  [WASI_MODULE]: Object.fromEntries(Object.entries(wasiSignatures).map(([name, signature]) => [name, [signature]])),
}
