/*
 * Stage 6, ASK: one HTTP request to a service on this machine, one line about the answer, exit 0 or 1.
 *
 * Freestanding: no libc, no heap, no writable globals. All state is on the stack, so the program is one read-only
 * segment of a few kilobytes and costs little more than the process that runs it. ask.ts is the same probe in
 * JavaScript; test/probe/ holds both to one table of sentences. -DHOSTED puts it on libc for the sanitizers,
 * -DFAKE_KERNEL (with HOSTED) leaves kernel() and main() to the fuzzer. build.mjs makes the shipped binaries.
 */
/* The probe's own version: a release of the package that leaves the probe alone leaves its binaries alone. */
#define VERSION "1.0.0"
#define DEFAULT_PATH "/api/v1/health"
#define DEFAULT_PORT 3000
#define DEFAULT_MS 2500 /* under the 3 s timeout of the compose example: Docker's own timeout would hide our line */
enum { MOST_MS = 600000, MOST_URL = 1024, MOST_SOCKET = 107 /* sun_path has 108 with the final 0 */ };
enum { ANSWER_BYTES = 4096, BODY_MS = 200 /* after the verdict */, LINE_BYTES = 500, QUOTE_BYTES = 160 };

/* ---- the kernel: system call numbers, entry point, and how to call, per architecture ----------------------- */

/* HOLDER is a register that no call changes, TRAP: the instruction, where the result is, the registers of the call's
   number and its four arguments, and what is lost. */
#if defined(__x86_64__)
enum { READ = 0, WRITE = 1, SIGACTION = 13, SOCKET = 41, CONNECT = 42, CLOCK = 228, EXIT = 231, PPOLL = 271 };
#define ENTRY "xor %ebp,%ebp\n mov %rsp,%rdi\n and $-16,%rsp\n call start"
#define HOLDER "rbx"
#define TRAP(_) _("syscall", n, "rax", "rdi", "rsi", "rdx", "r10", "rcx", "r11")
#elif defined(__aarch64__)
enum { READ = 63, WRITE = 64, PPOLL = 73, EXIT = 94, CLOCK = 113, SIGACTION = 134, SOCKET = 198, CONNECT = 203 };
#define ENTRY "mov x0,sp\n bl start"
#define HOLDER "x19"
#define TRAP(_) _("svc 0", a, "x8", "x0", "x1", "x2", "x3", "cc")
#elif defined(__riscv) && __riscv_xlen == 64
enum { READ = 63, WRITE = 64, PPOLL = 73, EXIT = 94, CLOCK = 113, SIGACTION = 134, SOCKET = 198, CONNECT = 203 };
#define ENTRY "mv a0,sp\n andi sp,sp,-16\n call start"
#define HOLDER "s1"
#define TRAP(_) _("ecall", a, "a7", "a0", "a1", "a2", "a3", "cc")
#elif defined(__arm__) /* the calls with 32-bit time: those with 64 need Linux 5.1, and an uptime fits */
enum { READ = 3, WRITE = 4, SIGACTION = 174, EXIT = 248, CLOCK = 263, SOCKET = 281, CONNECT = 283, PPOLL = 336 };
#define ENTRY "mov r0,sp\n bic sp,sp,#7\n bl start"
#define HOLDER "r8"
#define TRAP(_) _("svc 0", a, "r7", "r0", "r1", "r2", "r3", "cc")
#elif defined(__powerpc64__) /* nobody sets r2, the base of all constants; an error is told by a flag, not a sign */
enum { READ = 3, WRITE = 4, SIGACTION = 173, EXIT = 234, CLOCK = 246, PPOLL = 281, SOCKET = 326, CONNECT = 328 };
#define ENTRY "lis 2,.TOC.@ha\n addi 2,2,.TOC.@l\n mr 3,1\n clrrdi 1,1,4\n li 0,0\n stdu 0,-64(1)\n bl start\n nop"
#define HOLDER "r14"
#define TRAP(_) _("sc\n bns+ 1f\n neg 3,3\n1:", a, "r0", "r3", "r4", "r5", "r6", \
                  "r7", "r8", "r9", "r10", "r11", "r12", "cr0", "ctr", "xer")
#elif defined(__s390x__)
enum { READ = 3, WRITE = 4, SIGACTION = 174, EXIT = 248, CLOCK = 260, PPOLL = 302, SOCKET = 359, CONNECT = 362 };
#define ENTRY "lgr %r2,%r15\n aghi %r15,-160\n brasl %r14,start"
#define HOLDER "r11"
#define TRAP(_) _("svc 0", a, "r1", "r2", "r3", "r4", "r5", "cc")
#endif

/* The same on all six: they differ on alpha, mips, parisc and sparc only. */
enum { AF_UNIX = 1, AF_INET = 2, AF_INET6 = 10, STREAM = 1, NONBLOCK = 04000, CLOEXEC = 02000000 };
enum { POLLIN = 1, POLLOUT = 4, MONOTONIC = 1, SIGPIPE = 13, SIG_IGN = 1 };
enum { ENOENT = 2, EAGAIN = 11, EINTR = 4, EACCES = 13, ETIMEDOUT = 110, ECONNREFUSED = 111, EINPROGRESS = 115 };

#if defined(FAKE_KERNEL)
static long kernel(long n, long a, long b, long c, long d);
#elif defined(HOSTED)
long syscall(long, ...), read(int, void *, unsigned long);
int *__errno_location(void);
static long kernel(long n, long a, long b, long c, long d)
{
    /* read() by its name: there the address sanitizer looks at the buffer */
    long result = n == READ ? read(a, (void *)b, c) : syscall(n, a, b, c, d);
    return result < 0 ? -*__errno_location() : result;
}
#else
__asm__(".globl _start\n_start: " ENTRY "\n");
#define DEFINE_KERNEL(instruction, result, rn, ra, rb, rc, rd, ...)                                                  \
    static long kernel(long n_, long a_, long b_, long c_, long d_)                                                  \
    {                                                                                                                \
        register long n __asm__(rn) = n_, a __asm__(ra) = a_, b __asm__(rb) = b_;                                    \
        register long c __asm__(rc) = c_, d __asm__(rd) = d_;                                                        \
        __asm__ volatile(instruction : "+r"(n), "+r"(a), "+r"(b), "+r"(c), "+r"(d) : : __VA_ARGS__, "memory");       \
        return result;                                                                                               \
    }
TRAP(DEFINE_KERNEL)
#endif
#define KERNEL(n, a, b, c, d) kernel(n, (long)(a), (long)(b), (long)(c), (long)(d))

/* ---- every sentence: %w where we asked, %p the path, %q a quote, %g the same as a mistake, %n a number, %t the ms */

#define SENTENCES(_)                                                                                                 \
    _(HEALTHY, "healthy: %n")                                                                                        \
    _(UNHEALTHY, "unhealthy: %n")                                                                                    \
    _(SAID, " %q")                                                                                                   \
    _(OF, " for /%p at %w")                                                                                          \
    _(OF_SAID, " for /%p at %w: %q")                                                                                 \
    _(FAILED, "unhealthy: ")                                                                                         \
    _(UNREACHED, "timed out: no connection to %w")                                                                   \
    _(REFUSED, "refused: nothing listens on %w")                                                                     \
    _(ABSENT, "refused: there is no socket %w")                                                                      \
    _(FORBIDDEN, "refused: no permission for %w")                                                                    \
    _(UNROUTED, "refused: no way to %w, errno %n")                                                                   \
    _(SILENT, "silent: %w accepted and sent nothing (event loop blocked?)")                                          \
    _(LATE, "timed out: %w sent %n bytes and no status line")                                                        \
    _(CLOSED, "cut off: %w closed after %n bytes")                                                                   \
    _(RESET, "cut off: %w reset after %n bytes")                                                                     \
    _(FOREIGN, "not HTTP: %w answered \"%q\"")                                                                       \
    _(ELAPSED, " (%t ms)")                                                                                           \
    _(CANNOT, "cannot ask: ")                                                                                        \
    _(BLANK, "the URL has a blank in it%g%x")                                                                        \
    _(SECOND, "one URL is enough%g%x")                                                                               \
    _(BYTE, "the URL is not printable ASCII%g")                                                                      \
    _(LONG, "a URL has at most 1024 bytes, a socket 107%g")                                                          \
    _(SCHEME, "a URL begins with http:// (not https), unix:/ or /%g")                                                \
    _(NO_HOST, "the URL has no host%g")                                                                              \
    _(HOST, "the host must be localhost or an IP%g")                                                                 \
    _(PORT, "the port must be 1 to 65535%g")                                                                         \
    _(PORT_VARIABLE, "PORT must be 1 to 65535%g")                                                                    \
    _(TIMEOUT, "--timeout-ms must be 1 to 600000%g")                                                                 \
    _(FLAG, "unknown flag%g")                                                                                        \
    _(GIVEN, ", got \"%q\"")                                                                                         \
    _(NO_SHELL, "; no shell runs here: leave out \"|| exit 1\"")                                                     \
    _(CUT, "...")                                                                                                    \
    _(NOTHING, "")                                                                                                   \
    _(TITLE, "vitals-probe " VERSION "\n")                                                                           \
    _(USAGE, "vitals-probe [URL | PATH] [--timeout-ms N]\n"                                                          \
             "URL: http://HOST[:PORT][/PATH] or unix:/SOCKET[:/PATH]; HOST: an IP or localhost\n"                    \
             "unset: http://127.0.0.1:$PORT" DEFAULT_PATH ", PORT 3000, N 2500\n"                                    \
             "exit: 0 for 2xx, else 1\n")                                                                            \
    _(REQUEST, "GET /%p HTTP/1.0\r\nHost: ") /* 1.0: then servers neither chunk nor keep the connection */           \
    _(WHERE, "%w") _(AGENT, "\r\nUser-Agent: vitals-probe\r\n\r\n")                                                  \
    _(FORM, "HTTP/1.d ddd") _(IS_STATUS, "x-health-status:") _(IS_LOCATION, "location:")                             \
    _(IS_HELP, "--help") _(IS_VERSION, "--version") _(IS_TIMEOUT, "--timeout-ms")                                    \
    _(IS_HTTP, "http://") _(IS_UNIX, "unix:") _(IS_PATH, ":/") _(IS_PORT, "PORT=") _(PATH, DEFAULT_PATH)             \
    _(LOCALHOST, "localhost") _(DOTTED, "127.0.0.1")                                                                 \
    _(IPV4, "\177\0\0\1") _(IPV6, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1")

/* Offsets into one block: on most machines a small number is half the code of an address. */
#define MEMBER(name, text) char name[sizeof text];
#define VALUE(name, text) text,
#define OFFSET(name, text) name = __builtin_offsetof(struct sentences, name),
struct sentences { SENTENCES(MEMBER) };
static const struct sentences sentences = { SENTENCES(VALUE) };
enum { SENTENCES(OFFSET) };
#define TEXT(sentence) ((const char *)&sentences + (sentence))

/* ---- everything this program knows ------------------------------------------------------------------------- */

struct instant { long seconds, nanoseconds; };

struct probe {
    union { unsigned short family; char bytes[2 + MOST_SOCKET + 1]; } address; /* a sockaddr_in, _in6 or _un */
    long address_size, port, is_localhost;
    const char *host, *path;       /* `host` is `unix:/SOCKET` for a socket (port 0); `path` begins behind the slash */
    const char *quoted;            /* what others wrote, for the line */
    long number;                   /* the status, the bytes received or the errno, for the line */
    long limit_ms, ms;             /* for everything together; gone since `start` */
    unsigned long start_ms;
    long used, total;              /* bytes in `answer`; bytes received */
    char *at, *end;                /* where put() writes; what does not fit is dropped */
    long most;                     /* bytes of one quote */
    char answer[ANSWER_BYTES + 1]; /* always ends with 0 */
    char line[LINE_BYTES];
};

#if defined(HOSTED)
static struct probe *p;
#else
register struct probe *p __asm__(HOLDER); /* in a register for good: passing it around takes half a kilobyte more */
#endif

/* ---- text -------------------------------------------------------------------------------------------------- */

/** The first `c` in `s`, or the end of `s`. */
static char *find(char *s, char c)
{
    while (*s && *s != c) s++;
    return s;
}

/** What follows `start` in `s`, or 0 where `s` does not begin with it. */
static char *after(char *s, long sentence)
{
    const char *start = TEXT(sentence);
    while (*start)
        if (*s++ != *start++) return 0;
    return s;
}

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/** A decimal number from 1 to `most`; 0 for everything else, nothing at all and too much included. */
static long number(const char *s, long most)
{
    long n = 0;
    for (; is_digit(*s) && n <= most; s++) n = n * 10 + (*s - '0');
    return *s || n > most ? 0 : n;
}

static void put_char(char c)
{
    if (p->at < p->end) *p->at++ = c;
}

static void put_number(unsigned n)
{
    unsigned tens = n / 10;
    if (tens) put_number(tens);
    put_char('0' + n - tens * 10);
}

static void put(long sentence);

/** What others wrote: printable, on one line, white space as single blanks, cut at `most` bytes. */
static void put_quote(const char *s)
{
    long room = p->most;
    for (unsigned char c; (c = *s); s++) {
        if (c <= ' ' && p->at[-1] == ' ') continue;
        if (!room--) return put(CUT);
        put_char(c <= ' ' ? ' ' : c > '~' ? '?' : c);
    }
}

static void put(long sentence)
{
    for (const char *form = TEXT(sentence); *form; form++)
        if (*form != '%') put_char(*form);
        else if (*++form == 'w') {
            put_quote(p->host);
            if (p->port) put_char(':'), put_number(p->port);
        } else if (*form == 'g') put(GIVEN);
        else if (*form == 'x') put(NO_SHELL);
        else if (*form == 'p') put_quote(p->path);
        else if (*form == 'q') put_quote(p->quoted);
        else put_number(*form == 'n' ? p->number : p->ms);
}

static void put_into(char *buffer, long size, long most)
{
    p->at = buffer;
    p->end = buffer + size;
    p->most = most;
}

/** Prints the line and returns the exit code. */
static int say(long verdict, long sentence)
{
    put_into(p->line, LINE_BYTES - 1, QUOTE_BYTES);
    put(verdict);
    put(sentence);
    if (p->at[-1] == ' ') p->at--;
    if (verdict != CANNOT) put(ELAPSED);
    *p->at++ = '\n';
    KERNEL(WRITE, verdict == CANNOT ? 2 : 1, p->line, p->at - p->line, 0);
    return verdict != HEALTHY;
}

static int fail(long sentence)
{
    return say(FAILED, sentence);
}

static int refuse(const char *given, long sentence)
{
    p->quoted = given;
    return say(CANNOT, sentence);
}

/* ---- time: one monotonic clock, one limit for everything --------------------------------------------------- */

static long ms_gone(void)
{
    struct instant now;
    KERNEL(CLOCK, MONOTONIC, &now, 0, 0);
    /* unsigned, because 32 bits of ms wrap after 50 days, and the difference does not mind */
    return p->ms = (unsigned long)now.seconds * 1000 + (unsigned)now.nanoseconds / 1000000 - p->start_ms;
}

/** 1 once `fd` is ready for `events`, 0 when the time has come. With fd -1 it only waits. */
static int ready(long fd, short events, long until_ms)
{
    for (long left; (left = until_ms - ms_gone()) > 0;) {
        struct instant time = {left >= 1000, left >= 1000 ? 0 : left * 1000000}; /* a second at most, then again */
        struct { int fd; short events, revents; } one = {fd, events, 0};
        if (KERNEL(PPOLL, &one, 1, &time, 0) > 0) return 1;
    }
    return 0;
}

/* ---- what to ask: each parse answers 0, or 1 once it has told the mistake. It cuts the arguments in place. -- */

static void use_ip(const char *ip, long size)
{
    char *to = p->address.bytes;
    for (int i = 0; i < 28; i++) to[i] = 0;
    p->address.family = size == 4 ? AF_INET : AF_INET6;
    p->address_size = size + 12; /* sizeof sockaddr_in is 16, of sockaddr_in6 28 */
    to[2] = p->port >> 8;
    to[3] = p->port;
    for (to += size == 4 ? 4 : 8; size--;) *to++ = *ip++; /* 8: behind the flow label */
}

static int is_ipv4(const char *s, char *ip)
{
    for (int part = 0; part < 4; part++) {
        int n = 0;
        const char *begin = s;
        while (is_digit(*s) && n < 256) n = n * 10 + (*s++ - '0');
        if (s == begin || (*begin == '0' && s > begin + 1) || n > 255 || *s++ != (part < 3 ? '.' : 0)) return 0;
        *ip++ = n;
    }
    return 1;
}

/** Hexadecimal groups with at most one `::`, up to the bracket; no zone, no dotted tail. */
static int is_ipv6(const char *s, char *ip)
{
    long used = 0, gap = 17; /* 17: none */
    if (s[0] == ':' && s[1] == ':') gap = 0, s += 2;
    while (*s != ']') {
        long digits = 0, group = 0;
        for (; digits < 4; s++, digits++) {
            char letter = *s | 32;
            if (!is_digit(*s) && (letter < 'a' || letter > 'f')) break;
            group = group << 4 | (is_digit(*s) ? *s - '0' : letter - 'a' + 10);
        }
        if (!digits || used == 16) return 0;
        ip[used++] = group >> 8;
        ip[used++] = group;
        if (*s == ']') break;
        if (*s++ != ':' || *s == ']') return 0;
        if (*s != ':') continue;
        if (gap < 17) return 0;
        gap = used;
        s++;
    }
    if (s[1] || (gap == 17) != (used == 16)) return 0;
    for (int to = 16; to > gap;) ip[--to] = used > gap ? ip[--used] : 0;
    return 1;
}

/** `host[:port][/path]`: what follows `http://`. Without a port it is 80, as in every URL. */
static int parse_http(char *url, char *host)
{
    char ip[16], is_v6 = *host == '[', *path = find(host, '/'), *port;
    if (*path) *path = 0, p->path = path + 1;
    if (!*host || *host == ':') return refuse(url, NO_HOST);
    port = find(is_v6 ? find(host, ']') : host, ':');
    p->port = 80;
    if (*port) {
        *port++ = 0;
        if (!(p->port = number(port, 65535))) return refuse(port, PORT);
    }
    p->host = host;
    p->is_localhost = (url = after(host, LOCALHOST)) && !*url;
    if (is_v6 ? !is_ipv6(host + 1, ip) : !is_ipv4(p->is_localhost ? TEXT(DOTTED) : host, ip)) return refuse(host, HOST);
    use_ip(ip, is_v6 ? 16 : 4);
    return 0;
}

static int parse_unix(char *url, char *path)
{
    char *end = path, *to = p->address.bytes + 2;
    while (*end && !after(end, IS_PATH)) end++;
    if (*end) *end = 0, p->path = end + 2;
    if (end - path > MOST_SOCKET) return refuse(path, LONG);
    while ((*to++ = *path++));
    p->address_size = to - p->address.bytes;
    p->address.family = AF_UNIX;
    p->host = url;
    return 0;
}

static int parse_target(char *url, char **environment)
{
    char *c = url, *rest;
    if (url) {
        while (*c > ' ' && *c <= '~') c++;
        if (*c) return refuse(url, *c == ' ' ? BLANK : BYTE);
        if (c - url > MOST_URL) return refuse(url, LONG);
        if ((rest = after(url, IS_HTTP))) return parse_http(url, rest);
        if ((rest = after(url, IS_UNIX)) && *rest == '/') return parse_unix(url, rest);
        if (*url != '/') return refuse(url, SCHEME);
        p->path = url + 1;
    }
    p->port = DEFAULT_PORT;
    for (; *environment; environment++)
        if ((rest = after(*environment, IS_PORT)) && *rest && !(p->port = number(rest, 65535)))
            return refuse(rest, PORT_VARIABLE);
    p->host = TEXT(DOTTED);
    use_ip(TEXT(IPV4), 4);
    return 0;
}

/* ---- what an answer says ----------------------------------------------------------------------------------- */

enum { MORE = 0, NOT_HTTP = 1 };

/** The status, 100 to 999, once its line is whole; before that MORE, or NOT_HTTP as soon as it cannot be one. */
static long status_of(char *s)
{
    long status = 0;
    for (const char *form = TEXT(FORM); *form; form++, s++) {
        if (!*s) return MORE;
        if (*form == 'd' ? !is_digit(*s) : *s != *form) return NOT_HTTP;
        status = *form == 'd' ? status * 10 + (*s - '0') : 0;
    }
    if ((unsigned char)*s > ' ' || status < 100) return NOT_HTTP;
    return *find(s, '\n') ? status : MORE;
}

/** The first byte of the body, or 0 while the headers go on. */
static char *body_of(char *s)
{
    while (*(s = find(s, '\n')))
        if (*++s == '\n' || (*s == '\r' && *++s == '\n')) return s + 1;
    return 0;
}

/** Takes whole informational answers (100, 103) off the front. 101 stays: after it comes no HTTP. */
static long judge(void)
{
    for (char *to, *from;;) {
        long status = status_of(p->answer);
        p->number = status;
        if (status < 100 || status > 199 || status == 101) return status;
        if (!(from = body_of(p->answer))) return MORE;
        for (to = p->answer; (*to = *from++); to++);
        p->used = to - p->answer;
    }
}

/** The value of the first whole header line of that name, or 0. Cuts it out, semicolons as blanks. */
static char *header(char *s, long name)
{
    while (*(s = find(s, '\n'))) {
        const char *n = TEXT(name);
        for (s++; *n && (*s | 32) == (*n | 32); s++) n++;
        if (*n) continue;
        for (char *c = s; *c; c++) {
            if (*c == ';') *c = ' ';
            if (*c == '\n') return *c = 0, s;
        }
    }
    return 0;
}

/* ---- asking ------------------------------------------------------------------------------------------------ */

/** A connected socket, or the error as a negative number. */
static long connect_to(void)
{
    long fd = KERNEL(SOCKET, p->address.family, STREAM | NONBLOCK | CLOEXEC, 0, 0), error;
    if (fd < 0) return fd;
    for (;;) {
        error = KERNEL(CONNECT, fd, &p->address, p->address_size, 0); /* again: how the first one ended */
        /* EAGAIN: the backlog of a unix socket is full. No event will tell when it no longer is: look every 10 ms. */
        if (error == -EAGAIN) ready(-1, 0, ms_gone() + 10);
        else if (error == -EINPROGRESS) ready(fd, POLLOUT, p->limit_ms);
        else return error ? error : fd;
        if (p->ms >= p->limit_ms) return -ETIMEDOUT;
    }
}

static long reach(void)
{
    long first = connect_to(), second;
    if (first >= 0 || first == -ETIMEDOUT || !p->is_localhost) return first;
    use_ip(TEXT(IPV6), 16);
    second = connect_to();
    return second >= 0 || second == -ETIMEDOUT ? second : first;
}

static void send_request(long fd)
{
    put_into(p->answer, ANSWER_BYTES, MOST_URL);
    put(REQUEST);
    put(p->port ? WHERE : LOCALHOST);
    put(AGENT);
    /* An empty send buffer takes it whole. A peer that has gone may have answered first: reading tells. */
    KERNEL(WRITE, fd, p->answer, p->at - p->answer, 0);
    *p->answer = 0;
}

/** Reads what has come by `until_ms`: 1 for some, 0 at the end, -EAGAIN when the time is over, or an error. */
static long receive(long fd, long until_ms)
{
    while (ready(fd, POLLIN, until_ms)) {
        char *to = p->answer + p->used;
        long got = KERNEL(READ, fd, to, ANSWER_BYTES - p->used, 0);
        if (got == -EAGAIN || got == -EINTR) continue;
        if (got <= 0) return got;
        p->used += got;
        p->total += got;
        for (; got--; to++)
            if (!*to) *to = '?'; /* a text must not end before its end */
        *to = 0;
        return 1;
    }
    return -EAGAIN;
}

static int tell_unreached(long error)
{
    p->number = error;
    ms_gone();
    return fail(error == ETIMEDOUT      ? UNREACHED
                : error == ECONNREFUSED ? REFUSED
                : error == ENOENT       ? ABSENT
                : error == EACCES       ? FORBIDDEN
                                        : UNROUTED);
}

static int tell_unfinished(long got)
{
    p->number = p->total;
    return fail(got == 0 ? CLOSED : got != -EAGAIN ? RESET : p->total ? LATE : SILENT);
}

/** The status, then what X-Health-Status says; without that header who said it and how the body begins. */
static int tell_status(void)
{
    int verdict = p->number >= 200 && p->number < 300 ? HEALTHY : UNHEALTHY;
    char *body = body_of(p->answer);
    if (body) body[-1] = 0;
    if ((p->quoted = header(p->answer, IS_STATUS))) return say(verdict, SAID);
    if (verdict == HEALTHY) return say(verdict, NOTHING);
    if (!(p->quoted = header(p->answer, IS_LOCATION)) && body && *body) p->quoted = body;
    return say(verdict, p->quoted ? OF_SAID : OF);
}

static long ask(void)
{
    long fd, got;
    p->start_ms = ms_gone();
    if ((fd = reach()) < 0) return tell_unreached(-fd);
    send_request(fd);
    while (judge() == MORE && p->used < ANSWER_BYTES)
        if ((got = receive(fd, p->limit_ms)) <= 0) return tell_unfinished(got);
    p->quoted = p->answer;
    if (p->number < 100) return fail(FOREIGN);
    /* The verdict has fallen. The rest is for the message, and so that the server sees its answer taken. */
    long verdict_ms = p->ms, until_ms = verdict_ms + BODY_MS;
    if (until_ms > p->limit_ms) until_ms = p->limit_ms;
    while (p->used < ANSWER_BYTES && receive(fd, until_ms) > 0);
    p->ms = verdict_ms;
    return tell_status();
}

/* ---- the command ------------------------------------------------------------------------------------------- */

/* A broken pipe, the service's or that of whoever reads our line, must be an error to handle, not our end. */
static const long ignore[5] = {SIG_IGN};

static int print(const char *text, long size)
{
    KERNEL(WRITE, 1, text, size, 0);
    return 0;
}

static int run(char **arguments, char **environment)
{
    char *url = 0, *a, *rest;
    KERNEL(SIGACTION, SIGPIPE, ignore, 0, 8);
    p->limit_ms = DEFAULT_MS;
    p->is_localhost = p->used = p->total = p->port = p->start_ms = 0;
    p->path = TEXT(PATH) + 1;
    while ((a = *arguments++)) {
        if ((rest = after(a, IS_HELP)) && !*rest) return print(sentences.USAGE, sizeof sentences.USAGE - 1);
        if ((rest = after(a, IS_VERSION)) && !*rest) return print(sentences.TITLE, sizeof sentences.TITLE - 1);
        if ((rest = after(a, IS_TIMEOUT)) && !*rest) {
            if (*arguments) rest = *arguments++;
            if (!(p->limit_ms = number(rest, MOST_MS))) return refuse(rest, TIMEOUT);
        } else if (*a == '-' || url)
            return refuse(a, *a == '-' ? FLAG : SECOND);
        else
            url = a;
    }
    return parse_target(url, environment) || ask();
}

#if defined(HOSTED)
int main(int argc, char **argv, char **environment)
{
    struct probe all;
    p = &all;
    return run(argv + !!argc, environment);
}
#elif !defined(FAKE_KERNEL)
__attribute__((used, noreturn)) void start(long *stack) /* as the kernel lays it out: argc, argv, 0, environment, 0 */
{
    struct probe all;
    p = &all;
    for (;;) KERNEL(EXIT, run((char **)stack + 1 + !!*stack, (char **)stack + *stack + 2), 0, 0, 0);
}
#endif
