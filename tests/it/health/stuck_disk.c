/* A disk that doesn't answer: with LD_PRELOAD, fdatasync waits as long as the file STUCK_DISK names exists. */

#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int fdatasync(int file) {
    const char *stuck = getenv("STUCK_DISK");
    while (stuck && access(stuck, F_OK) == 0) {
        usleep(10000);
    }
    return (int)syscall(SYS_fdatasync, file);
}
