# The loop that walks a syscall program, x86-64. loop.ts holds its bytes; loop_test.ts assembles this and compares.
# An entry is 12 words: number, six arguments, address for the result, word to compare it with,
# then where to go on any other result, on an equal one, on an error (a negative one).
# There is no way out: a program ends in exit_group, and address 0 is not mapped.
.intel_syntax noprefix
.globl _start
_start:
  mov ebx, 0x411000           # the program's first entry
next:
  mov rax, [rbx]
  mov rdi, [rbx+8]
  mov rsi, [rbx+16]
  mov rdx, [rbx+24]
  mov r10, [rbx+32]
  mov r8,  [rbx+40]
  mov r9,  [rbx+48]
  syscall                     # rbx survives it; rcx and r11 do not
  mov rcx, [rbx+56]
  mov [rcx], rax
  lea rdx, [rbx+88]           # on error
  test rax, rax
  js go
  lea rdx, [rbx+80]           # on equal
  cmp rax, [rbx+64]
  je go
  lea rdx, [rbx+72]           # otherwise
go:
  mov rbx, [rdx]
  jmp next
