/*
 * The whole probe on a kernel that does what the input says. An input has three lines and the server's bytes:
 *   the arguments, by blanks (a `~` is a blank inside one)
 *   PORT
 *   what connect and read do, one letter each: a or t nothing while the time passes, i EINTR, p EINPROGRESS, c refused,
 *   e another error, r a reset; everything else is how many bytes a read gives. When they are used up, all is well.
 * Built by fuzz.mjs: clang -fsanitize=fuzzer,address,undefined.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOSTED
#define FAKE_KERNEL
#define main unused_main
#include "../../lib/probe/probe.c"
#undef main

enum { BEGIN_MS = 123456789, OWNER = 17 };

static struct {
    const char *events, *bytes;
    size_t event_count, byte_count;
    long clock_ms, patience_ms;
    unsigned long long locks; /* of the process that has the socket */
    int ended;
    int code;
    jmp_buf end;
    int lines, exit_stream, is_hasty;
    char line[2048];
    size_t line_size;
} fake;

static void require(int is_true, const char *claim)
{
    if (is_true) return;
    fprintf(stderr, "not true: %s\nline: %.*s\n", claim, (int)fake.line_size, fake.line);
    abort();
}

static int next_event(void)
{
    if (!fake.event_count) return -1;
    fake.event_count--;
    return (unsigned char)*fake.events++;
}

/** Nothing happens for as long as the socket waits. */
static long passed(long error)
{
    fake.clock_ms += fake.patience_ms;
    return error;
}

static long fake_connect(void)
{
    switch (next_event()) {
    case 't':
    case 'a': return passed(-EAGAIN);
    case 'p': return passed(-EINPROGRESS);
    case 'c': return -ECONNREFUSED;
    case 'e': return -ENOENT;
    default: return 0;
    }
}

static long fake_read(char *to, size_t room)
{
    int event = next_event();
    if (event == 'a' || event == 't') return passed(-EAGAIN);
    if (event == 'i') return -EINTR;
    if (event == 'r') return -104;
    size_t size = event < 0 ? fake.byte_count : (size_t)event % 61 + 1;
    if (size > room) size = room;
    if (size > fake.byte_count) size = fake.byte_count;
    memcpy(to, fake.bytes, size);
    fake.bytes += size;
    fake.byte_count -= size;
    return size;
}

static long fake_write(long fd, const char *from, size_t size)
{
    if (fd == 3) {
        static const char agent[] = "\r\nUser-Agent: vitals-probe\r\n\r\n";
        require(size > sizeof agent && !memcmp(from, "GET /", 5), "a request begins with GET and a path");
        require(!memcmp(from + size - (sizeof agent - 1), agent, sizeof agent - 1), "a request ends with our headers");
        int line_ends = 0;
        for (size_t i = 0; i < size; i++) line_ends += from[i] == '\r' || from[i] == '\n';
        require(line_ends == 8, "no argument adds a line to the request");
        return size;
    }
    fake.lines++;
    fake.exit_stream = fd;
    fake.line_size = size < sizeof fake.line ? size : sizeof fake.line;
    memcpy(fake.line, from, fake.line_size);
    return size;
}

static long fake_limit(long pid, long kind, const unsigned long long *set, unsigned long long *get)
{
    require(!set || pid == OWNER, "it limits nobody but whose socket it is");
    require(!set || kind == LIMIT_LOCKS || fake.locks - MARK > p->restart_after, "a limit that kills comes last");
    if (get) get[0] = fake.locks, get[1] = ~0ull;
    if (set && kind == LIMIT_LOCKS) fake.locks = set[0];
    return 0;
}

static long fake_end(long pid)
{
    require(pid == OWNER, "it ends nobody but whose socket it is");
    require(p->restart_after && fake.locks - MARK >= p->restart_after, "it ends nobody before it is time");
    fake.ended++;
    return 0;
}

static long kernel(long n, long a, long b, long c, long d)
{
    if (n == EXIT) fake.code = a, longjmp(fake.end, 1);
    if (n == SOCKET) return 3;
    if (n == CONNECT) return fake_connect();
    if (n == READ) return fake_read((char *)b, c);
    if (n == WRITE) return fake_write(a, (const char *)b, c);
    if (n == CLOCK) ((struct instant *)b)->seconds = fake.clock_ms / 1000, ((struct instant *)b)->fraction = fake.clock_ms % 1000 * 1000000;
    if (n == GETSOCKOPT) *(int *)d = OWNER;
    if (n == PRLIMIT) return fake_limit(a, b, (const unsigned long long *)c, (unsigned long long *)d);
    if (n == KILL) return fake_end(a);
    if (n != SETSOCKOPT) return 0;
    struct instant *wait = (struct instant *)d;
    require(wait->seconds >= 0 && wait->fraction >= 0 && wait->fraction < 1000000, "a wait is a time");
    fake.patience_ms = wait->seconds * 1000 + wait->fraction / 1000;
    require(fake.patience_ms > 0, "it waits for some time, as none means for ever");
    return 0;
}

static char *copy(const char *from, size_t size)
{
    char *to = malloc(size + 1);
    memcpy(to, from, size);
    to[size] = 0;
    return to;
}

static int begins(const char *with)
{
    return fake.line_size >= strlen(with) && !memcmp(fake.line, with, strlen(with));
}

/** One run; `is_whole` leaves the events out, so that everything comes in one piece. */
static void play(const char *const lines[3], const size_t sizes[3], const char *bytes, size_t size, int is_whole)
{
    char *arguments[16] = {0}, *environment[2] = {0}, *text = copy(lines[0], sizes[0]), *port = malloc(sizes[1] + 6);
    int count = 0;
    for (char *at = strtok(text, " "); at && count < 15; at = strtok(0, " ")) {
        arguments[count] = copy(at, strlen(at));
        for (char *c = arguments[count++]; *c; c++) *c = *c == '~' ? ' ' : *c;
    }
    memcpy(port, "PORT=", 5);
    memcpy(port + 5, lines[1], sizes[1]);
    port[5 + sizes[1]] = 0;
    environment[0] = port;
    memset(&fake, 0, sizeof fake);
    fake.clock_ms = BEGIN_MS;
    fake.events = lines[2];
    fake.event_count = is_whole ? 0 : sizes[2];
    fake.bytes = bytes;
    fake.byte_count = size;
    fake.locks = sizes[2] % 4 ? MARK + sizes[2] % 4 : ~0ull; /* unlimited, as every process begins */
    p = malloc(sizeof *p);
    memset(p, 0xa5, sizeof *p); /* as a stack is: nothing may count on zeros */
    if (!setjmp(fake.end)) run(arguments, environment);
    int code = fake.code;
    fake.is_hasty = p->limit_ms * 3 / 4 == 0;
    require(fake.clock_ms - BEGIN_MS <= p->limit_ms + (p->restart_after ? BODY_MS : 0), "it ends in time");
    require(!fake.ended || (code == 1 && fake.ended == 1), "only a process that is ill is ended, and once");
    require(fake.lines == 1, "one line");
    require(fake.line[fake.line_size - 1] == '\n', "it ends");
    int is_told = begins("healthy: ") || begins("unhealthy: ") || begins("cannot ask: ");
    require(is_told || begins("vitals-probe "), "it is one of ours");
    require(!is_told || fake.line_size <= 500, "it has at most 500 bytes");
    for (size_t i = 0; is_told && i + 1 < fake.line_size; i++) require(fake.line[i] >= ' ' && fake.line[i] <= '~', "it is printable");
    require(code == (begins("unhealthy: ") || begins("cannot ask: ")), "the exit code is the verdict");
    require(fake.exit_stream == (begins("cannot ask: ") ? 2 : 1), "mistakes go to the error output");
    require(!begins("healthy: ") || (fake.line[9] == '2' && fake.line[12] <= ' '), "only 2xx is healthy");
    free(p);
    free(port);
    free(text);
    while (count) free(arguments[--count]);
}

int LLVMFuzzerTestOneInput(const char *data, size_t size)
{
    const char *lines[3];
    size_t sizes[3];
    for (int i = 0; i < 3; i++) {
        const char *end = size ? memchr(data, '\n', size) : 0;
        if (!end) return -1;
        lines[i] = data;
        sizes[i] = end - data;
        for (size_t c = 0; c < sizes[i]; c++)
            if (!data[c]) return -1; /* no argument of a process holds a NUL */
        size -= sizes[i] + 1;
        data = end + 1;
    }
    play(lines, sizes, data, size, 0);
    for (size_t i = 0; i < sizes[2]; i++)
        if (strchr("apcetr", lines[2][i])) return 0;
    /* Without time for the service, the watchdog is asked first, and here it takes the bytes. */
    if (fake.is_hasty) return 0;
    if (size > 3500 || memmem(fake.line, fake.line_size, "not HTTP", 8)) return 0;
    char line[sizeof fake.line];
    size_t line_size = fake.line_size;
    memcpy(line, fake.line, line_size);
    play(lines, sizes, data, size, 1);
    require(line_size == fake.line_size && !memcmp(line, fake.line, line_size), "in pieces or whole, it says the same");
    return 0;
}
