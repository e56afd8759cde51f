/*
 * The floor under the probe: connects, writes, reads once, exits. No clock, no deadline, no message. x86-64, no libc.
 * The port is the first argument.
 */
static long call(long n, long a, long b, long c)
{
    __asm__ volatile("syscall" : "+a"(n) : "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return n;
}

__asm__(".globl _start\n_start: mov %rsp,%rdi\n and $-16,%rsp\n call start\n");

__attribute__((used, noreturn)) void start(char **stack)
{
    static const char request[] = "GET /api/v1/health HTTP/1.0\r\n\r\n";
    char answer[4096];
    unsigned port = 0;
    for (const char *c = stack[2]; *c; c++) port = port * 10 + (*c - '0');
    unsigned char address[16] = {2, 0, port >> 8, port, 127, 0, 0, 1};
    long fd = call(41, 2, 1, 0);
    call(42, fd, (long)address, 16);
    call(1, fd, (long)request, sizeof request - 1);
    call(0, fd, (long)answer, sizeof answer);
    for (;;) call(231, answer[9] != '2', 0, 0);
}
