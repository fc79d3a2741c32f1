/*
 * floor: the least that a container start can cost on this machine.
 *
 *   floor LOWER SCRATCH [volatile]
 *
 * What every engine must ask of the kernel, as bare calls and nothing else: six namespaces, an overlay over LOWER,
 * proc, sysfs, /dev with pts, shm and mqueue, pivot_root, exec /bin/true. No cgroup, no cable, no seccomp, no
 * masked paths, no record: an engine that does all of these at twice this time is close to the ground.
 *
 * With "volatile" the overlay does not sync the file system below it at its end, as with stepbox run --rm: on a disk
 * that others write to, that is most of the time.
 *
 * Built with cc -O2 -static by benches/start.rs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRY(call) do { if ((call) < 0) { perror(#call); _exit(125); } } while (0)

static const struct { const char *path; unsigned major, minor; } devices[] = {
    { "dev/null", 1, 3 }, { "dev/zero", 1, 5 },   { "dev/full", 1, 7 },
    { "dev/random", 1, 8 }, { "dev/urandom", 1, 9 }, { "dev/tty", 5, 0 },
};

static void box(const char *options)
{
    unsigned long safe = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    char *const argv[] = { "true", NULL }, *const env[] = { NULL };

    TRY(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
    TRY(mount("overlay", "merged", "overlay", 0, options));
    TRY(chdir("merged"));
    TRY(mount("proc", "proc", "proc", safe, NULL));
    TRY(mount("sysfs", "sys", "sysfs", safe | MS_RDONLY, NULL));
    TRY(mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755"));
    for (unsigned i = 0; i < sizeof devices / sizeof *devices; i++)
        TRY(mknod(devices[i].path, S_IFCHR | 0666, makedev(devices[i].major, devices[i].minor)));
    TRY(mkdir("dev/pts", 0755));
    TRY(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620"));
    TRY(mkdir("dev/shm", 01777));
    TRY(mount("shm", "dev/shm", "tmpfs", safe, "mode=1777,size=65536k"));
    TRY(mkdir("dev/mqueue", 0755));
    TRY(mount("mqueue", "dev/mqueue", "mqueue", safe, NULL));
    TRY(sethostname("floor", 5));
    TRY(syscall(SYS_pivot_root, ".", "."));
    TRY(umount2(".", MNT_DETACH));
    TRY(chdir("/"));
    TRY(execve("/bin/true", argv, env));
}

int main(int argc, char **argv)
{
    struct clone_args args = { 0 };
    char options[4096];
    int status = 0;
    long child;

    if (argc < 3)
        return 125;
    TRY(chdir(argv[2]));
    TRY(mkdir("upper", 0755));
    TRY(mkdir("work", 0755));
    TRY(mkdir("merged", 0755));
    snprintf(options, sizeof options, "lowerdir=%s,upperdir=upper,workdir=work%s", argv[1], argc > 3 ? ",volatile" : "");

    args.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWCGROUP;
    args.exit_signal = SIGCHLD;
    TRY(child = syscall(SYS_clone3, &args, sizeof args));
    if (child == 0)
        box(options);
    TRY(waitpid((pid_t)child, &status, 0));

    /* what it made goes with it, as with run --rm */
    unlink("work/work/incompat/volatile/dirty");
    rmdir("work/work/incompat/volatile");
    rmdir("work/work/incompat");
    rmdir("work/work");
    TRY(rmdir("work"));
    TRY(rmdir("upper"));
    TRY(rmdir("merged"));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
