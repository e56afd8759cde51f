/*
 * Stage 6, ASK: one HTTP request to a service on this machine, one line about the answer, exit 0 or 1.
 *
 * Freestanding: no libc, no heap, no writable globals. All state is on the stack, so the program is one read-only
 * segment of a few kilobytes and costs little more than the process that runs it. ask.ts is the same probe in
 * JavaScript; test/probe/ holds both to one table of sentences. -DHOSTED puts it on libc for the sanitizers,
 * -DFAKE_KERNEL (with HOSTED) leaves kernel() and main() to the fuzzer. build.mjs makes the shipped binaries.
 */
/* The probe's own version: a release of the package that leaves the probe alone leaves its binaries alone. */
#define NORETURN __attribute__((noreturn))
#define VERSION "1.0.0"
#define DEFAULT_PATH "/api/v1/health"
#define DEFAULT_PORT 3000
#define DEFAULT_MS 2500 /* under the 3 s timeout of the compose example: Docker's own timeout would hide our line */
enum { MOST_CHECKS = 1000, MARK = 0x56495400 /* "VIT" */, MOST_MS = 600000, MOST_URL = 1024, MOST_SOCKET = 107 /* sun_path has 108 with the final 0 */ };
enum { ANSWER_BYTES = 4096, BODY_MS = 200 /* after the verdict */, LINE_BYTES = 500, QUOTE_BYTES = 160 };

/* ---- the kernel: system call numbers, entry point, and how to call, per architecture ----------------------- */

/* HOLDER is a register that no call changes, TRAP: the instruction, where the result is, the registers of the call's
   number and its five arguments, and what is lost. The kernel aligns the first stack to 16 itself. */
#if defined(__x86_64__)
enum { READ = 0, WRITE = 1, SIGMASK = 14, SOCKET = 41, CONNECT = 42, SETSOCKOPT = 54, CLOCK = 228, EXIT = 231 };
enum { GETSOCKOPT = 55, KILL = 62, PTRACE = 101, PRLIMIT = 302 };
#define ENTRY "xor %ebp,%ebp\n mov %rsp,%rdi\n call start"
#define HOLDER "rbx"
#define TRAP(_) _("syscall", n, "rax", "rdi", "rsi", "rdx", "r10", "r8", "rcx", "r11")
#elif defined(__aarch64__)
enum { READ = 63, WRITE = 64, EXIT = 94, CLOCK = 113, SIGMASK = 135, SOCKET = 198, CONNECT = 203, SETSOCKOPT = 208 };
enum { GETSOCKOPT = 209, KILL = 129, PTRACE = 117, PRLIMIT = 261 };
#define ENTRY "mov x0,sp\n bl start"
#define HOLDER "x19"
#define TRAP(_) _("svc 0", a, "x8", "x0", "x1", "x2", "x3", "x4", "cc")
#elif defined(__riscv) && __riscv_xlen == 64
enum { READ = 63, WRITE = 64, EXIT = 94, CLOCK = 113, SIGMASK = 135, SOCKET = 198, CONNECT = 203, SETSOCKOPT = 208 };
enum { GETSOCKOPT = 209, KILL = 129, PTRACE = 117, PRLIMIT = 261 };
#define ENTRY "mv a0,sp\n call start"
#define HOLDER "s1"
#define TRAP(_) _("ecall", a, "a7", "a0", "a1", "a2", "a3", "a4", "cc")
#elif defined(__arm__) /* the calls with 32-bit time: those with 64 need Linux 5.1, and an uptime fits */
enum { READ = 3, WRITE = 4, SIGMASK = 175, EXIT = 248, CLOCK = 263, SOCKET = 281, CONNECT = 283, SETSOCKOPT = 294 };
enum { GETSOCKOPT = 295, KILL = 37, PTRACE = 26, PRLIMIT = 369 };
#define ENTRY "mov r0,sp\n bl start"
#define HOLDER "r8"
#define TRAP(_) _("svc 0", a, "r7", "r0", "r1", "r2", "r3", "r4", "cc")
#elif defined(__powerpc64__) /* nobody sets r2, the base of all constants; an error is told by a flag, not a sign */
enum { READ = 3, WRITE = 4, SIGMASK = 174, EXIT = 234, CLOCK = 246, SOCKET = 326, CONNECT = 328, SETSOCKOPT = 339 };
enum { GETSOCKOPT = 340, KILL = 37, PTRACE = 26, PRLIMIT = 325, PATIENCE = 18, PEER = 21 };
#define ENTRY "lis 2,.TOC.@ha\n addi 2,2,.TOC.@l\n mr 3,1\n li 0,0\n stdu 0,-64(1)\n bl start\n nop"
#define HOLDER "r14"
#define TRAP(_) _("sc\n bns+ 1f\n neg 3,3\n1:", a, "r0", "r3", "r4", "r5", "r6", "r7", \
                  "r8", "r9", "r10", "r11", "r12", "cr0", "ctr", "xer")
#elif defined(__s390x__)
enum { READ = 3, WRITE = 4, SIGMASK = 175, EXIT = 248, CLOCK = 260, SOCKET = 359, CONNECT = 362, SETSOCKOPT = 366 };
enum { GETSOCKOPT = 365, KILL = 37, PTRACE = 26, PRLIMIT = 334 };
#define ENTRY "lgr %r2,%r15\n aghi %r15,-160\n brasl %r14,start"
#define HOLDER "r11"
#define TRAP(_) _("svc 0", a, "r1", "r2", "r3", "r4", "r5", "r6", "cc")
#endif

/* The same on all six but PATIENCE, SO_RCVTIMEO, to which SO_SNDTIMEO is the next, and PEER, SO_PEERCRED. */
#if !defined(__powerpc64__)
enum { PATIENCE = 20, PEER = 17 };
#endif
enum { AF_UNIX = 1, AF_INET = 2, AF_INET6 = 10, STREAM = 1, SOL_SOCKET = 1, MONOTONIC = 1 };
enum { SIGKILL = 9, SIGTERM = 15, LIMIT_CPU = 0, LIMIT_LOCKS = 10, SEIZE = 0x4206, EXITKILL = 0x100000 };
enum { ENOENT = 2, EINTR = 4, EAGAIN = 11, EACCES = 13, ECONNREFUSED = 111, EALREADY = 114, EINPROGRESS = 115 };

struct instant { long seconds, fraction; };

/* ---- every sentence, and what it speaks about ------------------------------------------------------------- */

#define AT "\1"      /* where we asked */
#define OF_PATH "\2" /* without its slash */
#define QUOTED "\3"  /* what others wrote */
#define N "\4"       /* the status, the bytes received or the errno */
#define MS "\5"

#define SENTENCES(_)                                                                                                 \
    _(UNHEALTHY, "unhealthy: ")                                                                                      \
    _(STATUS, N)                                                                                                     \
    _(SAID, N " " QUOTED)                                                                                            \
    _(WATCHED, N " from the watchdog: " QUOTED)                                                                      \
    _(OF, N " for /" OF_PATH " at " AT)                                                                              \
    _(OF_SAID, N " for /" OF_PATH " at " AT ": " QUOTED)                                                             \
    _(REFUSED, "refused: nothing listens on " AT)                                                                    \
    _(UNREACHED, "timed out: no connection to " AT)                                                                  \
    _(SILENT, "silent: " AT " accepted and sent nothing (event loop blocked?)")                                      \
    _(LATE, "timed out: " AT " sent " N " bytes and no status line")                                                 \
    _(ABSENT, "refused: there is no socket " AT)                                                                     \
    _(FORBIDDEN, "refused: no permission for " AT)                                                                   \
    _(UNROUTED, "refused: no way to " AT ", errno " N)                                                               \
    _(CLOSED, "cut off: " AT " closed after " N " bytes")                                                            \
    _(RESET, "cut off: " AT " reset after " N " bytes")                                                              \
    _(FOREIGN, "not HTTP: " AT " answered \"" QUOTED "\"")                                                           \
    _(ELAPSED, " (" MS " ms)")                                                                                       \
    _(COUNTED, "; ill " N " times in a row")                                                                          \
    _(ASKED, "; sent SIGTERM to process " N)                                                                         \
    _(ENDED, "; sent SIGKILL to process " N)                                                                         \
    _(DENIED, "; may not end process " N)                                                                            \
    _(UNKNOWN, "; whom to end is not known")                                                                         \
    _(CANNOT, "cannot ask: ")                                                                                        \
    _(BYTE, "the URL is not printable ASCII")                                                                        \
    _(LONG, "a URL has at most 1024 bytes, a socket 107")                                                            \
    _(SCHEME, "a URL begins with http:// (not https), unix:/ or /")                                                  \
    _(NO_HOST, "the URL has no host")                                                                                \
    _(HOST, "the host must be localhost or an IP")                                                                   \
    _(PORT, "the port must be 1 to 65535")                                                                           \
    _(PORT_VARIABLE, "PORT must be 1 to 65535")                                                                      \
    _(TIMEOUT, "--timeout-ms must be 1 to 600000")                                                                   \
    _(RESTART, "--restart-after must be 1 to 1000")                                                                  \
    _(FLAG, "unknown flag")                                                                                          \
    _(BLANK, "the URL has a blank in it")                                                                            \
    _(SECOND, "one URL is enough")                                                                                   \
    _(GIVEN, ", got \"" QUOTED "\"")                                                                                 \
    _(NO_SHELL, "; no shell runs here: leave out \"|| exit 1\"")                                                     \
    _(CUT, "...") _(NOTHING, "")                                                                                     \
    _(TITLE, "vitals-probe " VERSION "\n")                                                                           \
    _(USAGE, "vitals-probe [URL | PATH] [--timeout-ms N] [--restart-after N]\n"                                      \
             "URL: http://IP[:PORT][/PATH] or unix:/SOCKET[:/PATH]; IP may be localhost\n"                           \
             "unset: http://127.0.0.1:$PORT" DEFAULT_PATH ", 3000, 2500 ms\n"                                        \
             "exit: 0 for 2xx, else 1\n")                                                                            \
    _(REQUEST, "GET /" OF_PATH " HTTP/1.0\r\nHost: ") /* 1.0: then servers neither chunk nor keep the connection */  \
    _(WHERE, AT) _(AGENT, "\r\nUser-Agent: vitals-probe\r\n\r\n")                                                    \
    _(FORM, "HTTP/1.d ddd") _(IS_STATUS, "x-health-status:") _(IS_LOCATION, "location:")                             \
    _(IS_HELP, "--help") _(IS_VERSION, "--version") _(IS_TIMEOUT, "--timeout-ms")                                    \
    _(IS_RESTART, "--restart-after") _(IS_CURABLE, "remedy=restart") _(IS_REFUSED, " refused")                      \
    _(IS_LEAVING, "shutting_down")                                                                                  \
    _(WATCHDOG, "nestjs-vitals-" N)                                                                                  \
    _(IS_HTTP, "http://") _(IS_UNIX, "unix:") _(IS_PATH, ":/") _(IS_PORT, "PORT=") _(PATH, DEFAULT_PATH)             \
    _(LOCALHOST, "localhost") _(DOTTED, "127.0.0.1") _(LOOPBACK, "[::1]")

/* Offsets into one block: on most machines a small number is half the code of an address. */
#define MEMBER(name, text) char name[sizeof text];
#define VALUE(name, text) text,
#define OFFSET(name, text) name = __builtin_offsetof(struct sentences, name),
struct sentences { SENTENCES(MEMBER) };
static const struct sentences sentences = { SENTENCES(VALUE) };
enum { SENTENCES(OFFSET) HEALTHY = UNHEALTHY + 2 /* without the "un" */ };
#define TEXT(sentence) ((char *)&sentences + (sentence))

/* ---- everything this program knows ------------------------------------------------------------------------- */

struct probe {
    union { unsigned short family; char bytes[2 + MOST_SOCKET + 1]; } address; /* a sockaddr_in, _in6 or _un */
    int address_size, port, is_localhost;
    int number;           /* the status, the bytes received or the errno, for the line */
    long limit_ms, ms;     /* for everything together; gone since `start` */
    int fd, used, total;  /* the connection; bytes in `answer`; bytes received */
    int most;             /* bytes of one quote */
    unsigned start_ms;
    long fifth;           /* the fifth argument of a call to the kernel */
    unsigned restart_after; /* times in a row, or 0: never */
    int is_loopback;      /* a port of this machine */
    int is_curable, is_leaving; /* a restart would help; it ends, or says nothing of us to the contrary */
    char *host, *path;    /* `host` is `unix:/SOCKET` for a socket (port 0); `path` begins behind the slash */
    char *quoted, *body;  /* what others wrote, for the line; where the answer's body begins, or 0 */
    char *at, *end;       /* where put() writes; what does not fit is dropped */
    union { unsigned short family; char bytes[2 + MOST_SOCKET + 1]; } watchdog; /* a sockaddr_un */
    char line[LINE_BYTES];
    char answer[ANSWER_BYTES + 1]; /* always ends with 0 */
};

#if defined(HOSTED)
static struct probe *p;
#else
register struct probe *p __asm__(HOLDER); /* in a register for good: passing it around takes half a kilobyte more */
#endif

/* ---- how to call the kernel --------------------------------------------------------------------------------- */

#if defined(FAKE_KERNEL)
static long kernel(long n, long a, long b, long c, long d);
#elif defined(HOSTED)
long syscall(long, ...), read(int, void *, unsigned long);
int *__errno_location(void);
static long kernel(long n, long a, long b, long c, long d)
{
    /* read() by its name: there the address sanitizer looks at the buffer */
    long result = n == READ ? read(a, (void *)b, c) : syscall(n, a, b, c, d, p->fifth);
    return result < 0 ? -*__errno_location() : result;
}
#else
__asm__(".globl _start\n_start: " ENTRY "\n");
/* The fifth argument, where a call has one, is what `p` has for it: the size of the fourth, or where that is. */
#define DEFINE_KERNEL(instruction, result, rn, ra, rb, rc, rd, re, ...)                                              \
    static long kernel(long n_, long a_, long b_, long c_, long d_)                                                  \
    {                                                                                                                \
        register long n __asm__(rn) = n_, a __asm__(ra) = a_, b __asm__(rb) = b_;                                    \
        register long c __asm__(rc) = c_, d __asm__(rd) = d_, e __asm__(re) = p->fifth;                               \
        __asm__ volatile(instruction                                                                                 \
                         : "+r"(n), "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e) : : __VA_ARGS__, "memory");          \
        return result;                                                                                               \
    }
TRAP(DEFINE_KERNEL)
#endif
#define KERNEL(n, a, b, c, d) kernel(n, (long)(a), (long)(b), (long)(c), (long)(d))

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

static int is(char *s, long sentence)
{
    return (s = after(s, sentence)) && !*s;
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
    for (const char *c = TEXT(sentence); *c; c++)
        if (*c == *AT) {
            put_quote(p->host);
            if (p->port) put_char(':'), put_number(p->port);
        } else if (*c == *OF_PATH)
            put_quote(p->path);
        else if (*c == *QUOTED)
            put_quote(p->quoted);
        else if (*c <= *MS)
            put_number(*c == *N ? p->number : p->ms);
        else
            put_char(*c);
}

static void put_into(char *buffer, long size, long most)
{
    p->at = buffer;
    p->end = buffer + size;
    p->most = most;
}

static NORETURN void finish(int stream, const char *text, long size, long code)
{
    KERNEL(WRITE, stream, text, size, 0);
    for (;;) KERNEL(EXIT, code, 0, 0, 0);
}

static void treat(int is_healthy);

/** Prints the line and ends. */
static NORETURN void say(long verdict, long sentence)
{
    int is_mistake = verdict == CANNOT;
    put_into(p->line, LINE_BYTES - 1, QUOTE_BYTES);
    put(verdict);
    put(sentence);
    if (is_mistake) put(GIVEN);
    if (sentence >= BLANK) put(NO_SHELL);
    if (p->at[-1] == ' ') p->at--;
    if (!is_mistake) put(ELAPSED);
    if (!is_mistake && p->restart_after) treat(verdict == HEALTHY);
    *p->at++ = '\n';
    finish(1 + is_mistake, p->line, p->at - p->line, verdict != HEALTHY);
}

static NORETURN void refuse(char *given, long sentence)
{
    p->quoted = given;
    say(CANNOT, sentence);
}

/* ---- time: one monotonic clock, one limit for everything --------------------------------------------------- */

static long ms_gone(void)
{
    struct instant now;
    KERNEL(CLOCK, MONOTONIC, &now, 0, 0);
    /* unsigned, because 32 bits of ms wrap after 50 days, and the difference does not mind */
    return p->ms = (unsigned)now.seconds * 1000 + (unsigned)now.fraction / 1000000 - p->start_ms;
}

/** What `call` on `p->fd` comes to by `until_ms`, or -EAGAIN. */
static long patiently(long call, void *data, long size, long until_ms)
{
    for (long left, result; (left = until_ms - ms_gone()) > 0;) {
        struct instant time = {0, (left < 1000 ? left : 999) * 1000}; /* below a second, then again */
        KERNEL(SETSOCKOPT, p->fd, SOL_SOCKET, call == READ ? PATIENCE : PATIENCE + 1, &time);
        result = KERNEL(call, p->fd, data, size, 0);
        if (result != -EAGAIN && result != -EINTR && result != -EINPROGRESS && result != -EALREADY) return result;
    }
    return -EAGAIN;
}

/* ---- what to ask. It cuts the arguments in place. ----------------------------------------------------------- */

static int is_ipv4(const char *s, char *ip)
{
    for (int part = 0; part < 4; part++) {
        const char *begin = s;
        int n = 0;
        while (is_digit(*s) && n < 256) n = n * 10 + (*s++ - '0');
        if (s == begin || (*begin == '0' && s > begin + 1) || n > 255 || *s++ != (part < 3 ? '.' : 0)) return 0;
        *ip++ = n;
    }
    return 1;
}

/** Hexadecimal groups with at most one `::`, up to the bracket; no zone, no dotted tail. */
static int is_ipv6(const char *s, char *ip)
{
    int used = 0, gap = 17; /* 17: none */
    do {
        int digits = 0, group = 0;
        if (s[0] == ':' && s[1] == ':') {
            if (gap < 17) return 0;
            gap = used;
            s += 2;
            if (*s == ']') break;
        } else if (used && *s++ != ':')
            return 0;
        for (; digits < 4; digits++, s++) {
            unsigned letter = (*s | 32) - 'a';
            if (!is_digit(*s) && letter > 5) break;
            group = group << 4 | (letter > 5 ? *s - '0' : (int)letter + 10);
        }
        if (!digits || used == 16) return 0;
        ip[used++] = group >> 8;
        ip[used++] = group;
    } while (*s != ']');
    if (s[1] || (gap == 17) != (used == 16)) return 0;
    for (int to = 16; to > gap;) ip[--to] = used > gap ? ip[--used] : 0;
    return 1;
}

/** The address of an IPv4 address, or of an IPv6 one in brackets. */
static int use_ip(const char *host)
{
    char *to = p->address.bytes;
    to[2] = p->port >> 8;
    to[3] = p->port;
    p->address.family = *host == '[' ? AF_INET6 : AF_INET;
    p->address_size = *host == '[' ? 28 : 16; /* of a sockaddr_in6, a sockaddr_in */
    return *host == '[' ? is_ipv6(host + 1, to + 8 /* behind the flow label */) : is_ipv4(host, to + 4);
}

/** `host[:port][/path]`: what follows `http://`. Without a port it is 80, as in every URL. */
static void parse_http(char *url, char *host)
{
    char *path = find(host, '/'), *port;
    if (*path) *path = 0, p->path = path + 1;
    if (!*host || *host == ':') refuse(url, NO_HOST);
    port = find(*host == '[' ? find(host, ']') : host, ':');
    p->port = 80;
    if (*port) {
        *port++ = 0;
        if (!(p->port = number(port, 65535))) refuse(port, PORT);
    }
    p->host = host;
    p->is_localhost = is(host, LOCALHOST);
    if (!use_ip(p->is_localhost ? TEXT(DOTTED) : host)) refuse(host, HOST);
}

static void parse_unix(char *url, char *path)
{
    char *end = path, *to = p->address.bytes + 2;
    while (*end && !after(end, IS_PATH)) end++;
    if (*end) *end = 0, p->path = end + 2;
    if (end - path > MOST_SOCKET) refuse(path, LONG);
    while ((*to++ = *path++));
    p->address_size = to - p->address.bytes;
    p->address.family = AF_UNIX;
    p->host = url;
}

static void parse_url(char *url, char **environment)
{
    char *c = url, *rest;
    if (url) {
        while (*c > ' ' && *c <= '~') c++;
        if (*c) refuse(url, *c == ' ' ? BLANK : BYTE);
        if (c - url > MOST_URL) refuse(url, LONG);
        if ((rest = after(url, IS_HTTP))) return parse_http(url, rest);
        if ((rest = after(url, IS_UNIX)) && *rest == '/') return parse_unix(url, rest);
        if (*url != '/') refuse(url, SCHEME);
        p->path = url + 1;
    }
    p->port = DEFAULT_PORT;
    for (; *environment; environment++)
        if ((rest = after(*environment, IS_PORT)) && *rest && !(p->port = number(rest, 65535)))
            refuse(rest, PORT_VARIABLE);
    p->host = TEXT(DOTTED);
    use_ip(p->host);
}

/* ---- what an answer says ----------------------------------------------------------------------------------- */

enum { MORE = 0, NOT_HTTP = 1 };

/** The status, 100 to 999, once its line is whole; before that MORE, or NOT_HTTP as soon as it cannot be one. */
static int status_of(char *s)
{
    int status = 0;
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

/** Connects and sends the request: 0, or the error. */
static long dial(void *address, long size, long until_ms)
{
    long error = p->fd = KERNEL(SOCKET, *(unsigned short *)address, STREAM, 0, 0);
    if (error >= 0) error = patiently(CONNECT, address, size, until_ms);
    if (error < 0) return p->fd = -1, p->number = -error;
    put_into(p->answer, ANSWER_BYTES, MOST_URL);
    put(REQUEST);
    put(p->port ? WHERE : LOCALHOST);
    put(AGENT);
    /* An empty send buffer takes it whole. A peer that has gone may have answered first: reading tells. */
    KERNEL(WRITE, p->fd, p->answer, p->at - p->answer, 0);
    return p->used = p->total = *p->answer = 0;
}

/** 0, or the error: of localhost's two addresses the first one's, unless the time is over. */
static long reach(long until_ms)
{
    long error = dial(p->address.bytes, p->address_size, until_ms), second;
    if (!error || error == EAGAIN || !p->is_localhost) return error;
    use_ip(TEXT(LOOPBACK));
    second = dial(p->address.bytes, p->address_size, until_ms);
    return !second || second == EAGAIN ? second : (p->number = error);
}

/** Reads what has come by `until_ms`: 1 for some, 0 at the end, -EAGAIN when the time is over, or an error. */
static long receive(long until_ms)
{
    char *to = p->answer + p->used;
    long got = patiently(READ, to, ANSWER_BYTES - p->used, until_ms);
    if (got <= 0) return got;
    p->used += got;
    p->total += got;
    for (; got--; to++)
        if (!*to) *to = '?'; /* a text must not end before its end */
    *to = 0;
    return 1;
}

enum { ANSWERED = 0 };

/** Asks, or goes on waiting, up to a status and what comes behind it: ANSWERED, or what is wrong. */
static long converse(long until_ms)
{
    if (p->fd < 0 && reach(until_ms))
        return p->number == EAGAIN         ? UNREACHED
               : p->number == ECONNREFUSED ? REFUSED
               : p->number == ENOENT       ? ABSENT
               : p->number == EACCES       ? FORBIDDEN
                                           : UNROUTED;
    for (long got; (p->number = status_of(p->answer)) < 200 && p->number != NOT_HTTP && p->number != 101;) {
        char *to = p->answer, *from = p->number == MORE ? 0 : body_of(to);
        if (from) { /* an informational answer, 100 or 103: the next one follows */
            while ((*to = *from++)) to++;
            p->used = to - p->answer;
        } else if (p->used == ANSWER_BYTES)
            break;
        else if ((got = receive(until_ms)) <= 0) {
            p->number = p->total;
            return got == 0 ? CLOSED : got != -EAGAIN ? RESET : p->total ? LATE : SILENT;
        }
    }
    p->quoted = p->answer;
    if (p->number < 100) return FOREIGN;
    /* The verdict has fallen. The rest is for the message, and so that the server sees its answer taken. */
    long verdict_ms = p->ms;
    if (until_ms > verdict_ms + BODY_MS) until_ms = verdict_ms + BODY_MS;
    while (p->used < ANSWER_BYTES && receive(until_ms) > 0);
    p->ms = verdict_ms;
    if ((p->body = body_of(p->answer))) p->body[-1] = 0;
    p->quoted = header(p->answer, IS_STATUS);
    p->is_curable = 0;
    if (p->quoted) p->is_leaving = 0;
    for (char *s = p->quoted; s && *s; s++) {
        if (after(s, IS_CURABLE)) p->is_curable = 1;
        if (after(s, IS_REFUSED)) p->is_curable = 0; /* its own guards forbid it: they come last */
        if (after(s, IS_LEAVING)) p->is_leaving = 1;
    }
    return ANSWERED;
}

/** The socket of whoever answers beside the service: 0, or the error. */
static long dial_watchdog(long until_ms)
{
    char *address = p->watchdog.bytes;
    put_into(address + 3, MOST_SOCKET, 0);
    p->number = p->port;
    put(WATCHDOG);
    p->watchdog.family = AF_UNIX; /* then a 0, for the abstract namespace: no file, gone with the process */
    /* Node.js before 22 fills the name with zeros; for the kernel that is another name. */
    return dial(address, p->at - address, until_ms) ? dial(address, 2 + 108, until_ms) : 0;
}

/** Tells what the thread beside a silent one says, where it says that something is wrong. 1 for any other answer. */
static int ask_watchdog(void)
{
    long fd = p->fd, said = !dial_watchdog(p->limit_ms) && converse(p->limit_ms) == ANSWERED;
    if (said && p->number == 503 && p->quoted) say(UNHEALTHY, WATCHED);
    p->fd = fd;
    p->used = p->total = *p->answer = 0;
    return said;
}

/**
 * Counts how often in a row a restart would have helped, and ends the process that has the port when that is often
 * enough: first it is asked to, at the next check it is killed. Which one that is the kernel tells, of the socket beside
 * the service. The count is that process' limit of file locks, at which no kernel since 2.4 looks: there is no file, and
 * it is gone with the process.
 */
static void treat(int is_healthy)
{
    struct { int pid, user, group; } owner = {0, 0, 0};
    struct { unsigned long long soft, hard; } limit = {0, 0}, second = {1, 1};
    char *at = p->at;
    int size = sizeof owner;
    long error = !p->is_loopback || dial_watchdog(p->limit_ms + BODY_MS), sentence;
    unsigned count;
    p->fifth = (long)&size;
    if (!error) KERNEL(GETSOCKOPT, p->fd, SOL_SOCKET, PEER, &owner);
    put_into(at, p->line + LINE_BYTES - 1 - at, 0);
    KERNEL(PRLIMIT, owner.pid, LIMIT_LOCKS, 0, &limit);
    count = limit.soft - MARK; /* a limit that others have set is no count */
    if (count > MOST_CHECKS) count = 0;
    count = !is_healthy && (p->is_curable || (count >= p->restart_after && p->is_leaving)) ? count + 1 : 0;
    limit.soft = count + MARK;
    sentence = p->is_curable ? UNKNOWN : NOTHING;
    if (owner.pid) {
        error = KERNEL(PRLIMIT, owner.pid, LIMIT_LOCKS, &limit, 0);
        sentence = count ? COUNTED : NOTHING;
        p->number = count;
        if (count >= p->restart_after) {
            p->number = owner.pid;
            sentence = count > p->restart_after ? ENDED : ASKED;
            if (sentence == ENDED) {
                /* Process 1 is safe from the signals of its own namespace, but not from the end of its CPU time, nor
                   from that of a tracer: what these send comes from the kernel itself. */
                KERNEL(PRLIMIT, owner.pid, LIMIT_CPU, &second, 0);
                KERNEL(PTRACE, SEIZE, owner.pid, 0, EXITKILL);
            }
            error = KERNEL(KILL, owner.pid, sentence == ENDED ? SIGKILL : SIGTERM, 0, 0);
        }
        if (error < 0) p->number = owner.pid, sentence = DENIED;
    }
    put(sentence);
}

static NORETURN void ask(void)
{
    p->is_loopback = p->port && (p->address.bytes[4] == 127 || is(p->host, LOOPBACK));
    p->start_ms = ms_gone();
    long wrong = converse(p->is_loopback ? p->limit_ms * 3 / 4 : p->limit_ms);
    long is_acquitted = p->is_loopback && wrong >= REFUSED && wrong <= SILENT && ask_watchdog();
    if (wrong >= UNREACHED && wrong <= LATE) wrong = converse(p->limit_ms);
    if (wrong != ANSWERED) p->is_curable = !is_acquitted && wrong >= UNREACHED && wrong <= LATE;
    if (wrong != ANSWERED) say(UNHEALTHY, wrong);
    /* The status, then what X-Health-Status says; without that header who said it and how the body begins. */
    long verdict = p->number >= 200 && p->number < 300 ? HEALTHY : UNHEALTHY;
    if (p->quoted) say(verdict, SAID);
    if (verdict == HEALTHY) say(verdict, STATUS);
    if (!(p->quoted = header(p->answer, IS_LOCATION)) && p->body && *p->body) p->quoted = p->body;
    say(verdict, p->quoted ? OF_SAID : OF);
}

/* ---- the command ------------------------------------------------------------------------------------------- */

/* A broken pipe, the service's or that of whoever reads our line, must be an error to handle, not our end. */
static const unsigned long long sigpipe = 1 << 12;

static NORETURN void run(char **arguments, char **environment)
{
    char *url = 0, *a;
    KERNEL(SIGMASK, 0, &sigpipe, 0, 8);
    for (a = p->address.bytes; a <= p->answer; a++) *a = 0;
    p->fd = -1;
    p->fifth = sizeof(struct instant);
    p->is_leaving = 1;
    p->limit_ms = DEFAULT_MS;
    while ((a = *arguments++)) {
        if (is(a, IS_HELP)) finish(1, sentences.USAGE, sizeof sentences.USAGE - 1, 0);
        if (is(a, IS_VERSION)) finish(1, sentences.TITLE, sizeof sentences.TITLE - 1, 0);
        if (is(a, IS_TIMEOUT)) {
            a = *arguments ? *arguments++ : TEXT(NOTHING);
            if (!(p->limit_ms = number(a, MOST_MS))) refuse(a, TIMEOUT);
        } else if (is(a, IS_RESTART)) {
            a = *arguments ? *arguments++ : TEXT(NOTHING);
            if (!(p->restart_after = number(a, MOST_CHECKS))) refuse(a, RESTART);
        } else if (*a == '-' || url)
            refuse(a, *a == '-' ? FLAG : SECOND);
        else
            url = a;
    }
    p->path = TEXT(PATH) + 1;
    parse_url(url, environment);
    ask();
}

#if defined(HOSTED)
int main(int argc, char **argv, char **environment)
{
    struct probe all;
    p = &all;
    run(argv + !!argc, environment);
}
#elif !defined(FAKE_KERNEL)
__attribute__((used, noreturn)) void start(long *stack) /* as the kernel lays it out: argc, argv, 0, environment, 0 */
{
    struct probe all;
    p = &all;
    run((char **)stack + 2, (char **)stack + *stack + 2);
}
#endif
