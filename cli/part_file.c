/* The file that a fetch fills, which is kept when it is cut short: one aizip at a time. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "model.h"

/* Between opening and locking another aizip may have given it its final name: then it is made
 * anew. */
int az_part_open(int *fd, const az_options *opt, const char *name, const char *part) {
    struct stat st, named;
    for (int tries = 0; tries < 3; tries++) {
        *fd = open(part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (*fd < 0) {
            az_say_error(opt, part, "cannot be written: %s.", strerror(errno));
            return AZ_EXIT_FILE;
        }
        if (flock(*fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
            break;
        if (fstat(*fd, &st) == 0 && stat(part, &named) == 0 && st.st_ino == named.st_ino &&
            st.st_dev == named.st_dev)
            return AZ_EXIT_OK;
        close(*fd);
        *fd = -1;
    }
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    az_say_error(opt, name, "another aizip is fetching it now.");
    return AZ_EXIT_FILE;
}
