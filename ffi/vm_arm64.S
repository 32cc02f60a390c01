// The loop that walks a syscall program, aarch64. loop.ts holds its bytes; loop_test.ts assembles this and compares.
// The layout of an entry is described in vm_x64.S.
.globl _start
_start:
  movz w9, #0x1000            // the program's first entry, 0x411000
  movk w9, #0x41, lsl #16
next:
  ldp x8, x0, [x9]
  ldp x1, x2, [x9, #16]
  ldp x3, x4, [x9, #32]
  ldp x5, x10, [x9, #48]
  svc #0
  str x0, [x10]
  ldp x11, x12, [x9, #64]     // compare, otherwise
  ldp x13, x14, [x9, #80]     // on equal, on error
  cmp x0, x11
  csel x9, x13, x12, eq
  cmp x0, #0
  csel x9, x14, x9, lt
  b next
