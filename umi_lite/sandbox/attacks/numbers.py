"""Linux syscall numbers that the attacks call by."""

from umi_lite.sandbox.seccomp import column

# name, number on x86-64, number on aarch64 (`-`: it has none); from the kernel's headers.
NUMBERS = column(
    """
socket 41 198, connect 42 203, clone 56 220, clone3 435 435, execveat 322 281,
ptrace 101 117, process_vm_readv 310 270, process_vm_writev 311 271, kcmp 312 272,
pidfd_open 434 434, pidfd_getfd 438 438, pidfd_send_signal 424 424, keyctl 250 219,
add_key 248 217, request_key 249 218, io_uring_setup 425 425, userfaultfd 323 282,
bpf 321 280, perf_event_open 298 241, unshare 272 97, setns 308 268, mount 165 40,
chroot 161 51, memfd_secret 447 447, shmget 29 194, semget 64 190, msgget 68 186,
mq_open 240 180, fanotify_init 300 262, inotify_init1 294 26, seccomp 317 277,
personality 135 92, name_to_handle_at 303 264, openat2 437 437, tkill 200 130,
tgkill 234 131, rt_sigqueueinfo 129 138, prlimit64 302 261, prctl 157 167,
timer_create 222 107, epoll_create1 291 20, eventfd2 290 19, timerfd_create 283 85,
landlock_create_ruleset 444 444, modify_ldt 154 -, mlockall 151 230,
process_madvise 440 440, move_pages 279 239, fsopen 430 430, open_tree 428 428,
splice 275 76, setuid 105 146, capset 126 91
"""
)
