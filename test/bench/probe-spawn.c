/*
 * Runs a command N times, one after the other, and prints: wall time and CPU per run in microseconds, the peak of its
 * resident memory in KiB, page faults per run, and how many runs ended with another code than 0.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double us(struct timeval t)
{
    return t.tv_sec * 1e6 + t.tv_usec;
}

/* From one more run, stopped as it exits: ru_maxrss would say what the child had of ours before it became itself. */
static long peak_kib(char **command)
{
    char path[64], line[256];
    long peak = 0;
    int status;
    pid_t child = fork();
    if (child == 0) {
        dup2(open("/dev/null", O_WRONLY), 1);
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        execvp(command[0], command);
        _exit(127);
    }
    waitpid(child, &status, 0);
    ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACEEXIT);
    for (int signal = 0; !ptrace(PTRACE_CONT, child, 0, signal) && waitpid(child, &status, 0) > 0 && WIFSTOPPED(status);) {
        signal = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
        if (status >> 8 != (SIGTRAP | PTRACE_EVENT_EXIT << 8)) continue;
        snprintf(path, sizeof path, "/proc/%d/status", child);
        FILE *file = fopen(path, "r");
        while (file && fgets(line, sizeof line, file)) sscanf(line, "VmHWM: %ld", &peak);
        if (file) fclose(file);
    }
    return peak;
}

int main(int argc, char **argv)
{
    (void)argc;
    int runs = atoi(argv[1]), failed = 0;
    struct timespec begin, end;
    struct rusage used, all = {0};
    double cpu_us = 0;
    long faults = 0;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (int i = 0; i < runs; i++) {
        pid_t child;
        int status;
        if (posix_spawnp(&child, argv[2], &actions, 0, argv + 2, environ)) return 1;
        wait4(child, &status, 0, &used);
        failed += status != 0;
        faults += used.ru_minflt;
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    /* of the sum, because a single run is shorter than what the kernel rounds to */
    getrusage(RUSAGE_CHILDREN, &all);
    cpu_us = us(all.ru_utime) + us(all.ru_stime);
    double wall_us = (end.tv_sec - begin.tv_sec) * 1e6 + (end.tv_nsec - begin.tv_nsec) / 1e3;
    printf("%.1f %.1f %ld %.1f %d\n", wall_us / runs, cpu_us / runs, peak_kib(argv + 2), (double)faults / runs, failed);
}
