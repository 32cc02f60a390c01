/**
 * The part of libc that Clove calls, as a table: the C prototype stands beside each parameter.
 *
 * @module
 */

/** Symbols of glibc (`libc.so.6`). See section 2 and 3 of the Linux manual for each. */
export const SYMBOLS = {
  /** The address of this thread's errno. */
  __errno_location: { parameters: [], result: "pointer" },
  /** Any system call by number, for those without a wrapper. See syscall(2). */
  syscall: {
    parameters: ["i64", "i64", "i64", "i64", "i64", "i64", "i64"], // long number, ...
    result: "i64",
  },
  /** Makes a pipe. See pipe2(2). */
  pipe2: {
    parameters: [
      "buffer", // int pipefd[2]
      "i32", // int flags
    ],
    result: "i32",
  },
  /** Makes a connected pair of sockets. See socketpair(2). */
  socketpair: {
    parameters: [
      "i32", // int domain
      "i32", // int type
      "i32", // int protocol
      "buffer", // int sv[2]
    ],
    result: "i32",
  },
  /** Opens a file by its raw number. See open(2). */
  open: {
    parameters: [
      "buffer", // const char *path
      "i32", // int flags
      "u32", // mode_t mode
    ],
    result: "i32",
  },
  /** Closes a descriptor. See close(2). */
  close: {
    parameters: ["i32"], // int fd
    result: "i32",
  },
  /** Writes bytes. See write(2). */
  write: {
    parameters: [
      "i32", // int fd
      "buffer", // const void *buf
      "usize", // size_t count
    ],
    result: "isize",
  },
  /** Descriptor flags and seals. See fcntl(2). */
  fcntl: {
    parameters: [
      "i32", // int fd
      "i32", // int cmd
      "i64", // ... arg
    ],
    result: "i32",
  },
  /** Asks a device. See ioctl(2). */
  ioctl: {
    parameters: [
      "i32", // int fd
      "u64", // unsigned long request
      "buffer", // ... argp
    ],
    result: "i32",
  },
  /** Makes a file that lives in memory. See memfd_create(2). */
  memfd_create: {
    parameters: [
      "buffer", // const char *name
      "u32", // unsigned int flags
    ],
    result: "i32",
  },
  /** Starts a program. See posix_spawn(3). */
  posix_spawn: {
    parameters: [
      "buffer", // pid_t *pid
      "buffer", // const char *path
      "pointer", // const posix_spawn_file_actions_t *actions
      "pointer", // const posix_spawnattr_t *attr
      "pointer", // char *const argv[]
      "pointer", // char *const envp[]
    ],
    result: "i32",
  },
  /** Begins a list of descriptor moves for posix_spawn(3). */
  posix_spawn_file_actions_init: {
    parameters: ["pointer"], // posix_spawn_file_actions_t *
    result: "i32",
  },
  /** Adds `dup2(from, to)`; equal numbers clear close-on-exec. */
  posix_spawn_file_actions_adddup2: {
    parameters: [
      "pointer", // posix_spawn_file_actions_t *
      "i32", // int from
      "i32", // int to
    ],
    result: "i32",
  },
  /** Frees the list. */
  posix_spawn_file_actions_destroy: {
    parameters: ["pointer"], // posix_spawn_file_actions_t *
    result: "i32",
  },
  /** Begins the attributes of posix_spawn(3). */
  posix_spawnattr_init: {
    parameters: ["pointer"], // posix_spawnattr_t *
    result: "i32",
  },
  /** Chooses which attributes count. */
  posix_spawnattr_setflags: {
    parameters: [
      "pointer", // posix_spawnattr_t *
      "i16", // short flags
    ],
    result: "i32",
  },
  /** Signals set to their default. */
  posix_spawnattr_setsigdefault: {
    parameters: [
      "pointer", // posix_spawnattr_t *
      "buffer", // const sigset_t *
    ],
    result: "i32",
  },
  /** The signal mask. */
  posix_spawnattr_setsigmask: {
    parameters: [
      "pointer", // posix_spawnattr_t *
      "buffer", // const sigset_t *
    ],
    result: "i32",
  },
  /** Looks after a child. See waitid(2). */
  waitid: {
    parameters: [
      "i32", // idtype_t idtype
      "i32", // id_t id
      "buffer", // siginfo_t *infop
      "i32", // int options
    ],
    result: "i32",
  },
  /** Sends a signal. See kill(2). */
  kill: {
    parameters: [
      "i32", // pid_t pid
      "i32", // int sig
    ],
    result: "i32",
  },
  /** Enters a namespace. See setns(2). */
  setns: {
    parameters: [
      "i32", // int fd
      "i32", // int nstype
    ],
    result: "i32",
  },
  /** Reads a socket's option. See getsockopt(2). */
  getsockopt: {
    parameters: [
      "i32", // int sockfd
      "i32", // int level
      "i32", // int optname
      "buffer", // void *optval
      "buffer", // socklen_t *optlen
    ],
    result: "i32",
  },
  /** Makes a socket. See socket(2). */
  socket: {
    parameters: [
      "i32", // int domain
      "i32", // int type
      "i32", // int protocol
    ],
    result: "i32",
  },
  /** Names a socket. See bind(2). */
  bind: {
    parameters: [
      "i32", // int sockfd
      "buffer", // const struct sockaddr *addr
      "u32", // socklen_t addrlen
    ],
    result: "i32",
  },
  /** Lets a socket accept connections. See listen(2). */
  listen: {
    parameters: [
      "i32", // int sockfd
      "i32", // int backlog
    ],
    result: "i32",
  },
  /** Waits until a descriptor is ready. See poll(2). */
  poll: {
    parameters: [
      "buffer", // struct pollfd *fds
      "u64", // nfds_t nfds
      "i32", // int timeout
    ],
    result: "i32",
  },
  /** The same on another thread, so that the event loop goes on. */
  poll_elsewhere: {
    name: "poll",
    parameters: [
      "buffer", // struct pollfd *fds
      "u64", // nfds_t nfds
      "i32", // int timeout
    ],
    result: "i32",
    nonblocking: true,
  },
  /** Receives bytes and descriptors. See recvmsg(2). */
  recvmsg: {
    parameters: [
      "i32", // int sockfd
      "buffer", // struct msghdr *msg
      "i32", // int flags
    ],
    result: "isize",
  },
  /** Puts another program into this process. See execv(3). */
  execv: {
    parameters: [
      "buffer", // const char *path
      "buffer", // char *const argv[]
    ],
    result: "i32",
  },
  /** Gives the allocator's free memory back to the system. See malloc_trim(3). */
  malloc_trim: {
    parameters: [
      "usize", // size_t pad
    ],
    result: "i32",
  },
  /** Says how memory will be used. See madvise(2). */
  madvise: {
    parameters: [
      "usize", // void *addr
      "usize", // size_t length
      "i32", // int advice
    ],
    result: "i32",
  },
} as const satisfies Deno.ForeignLibraryInterface;
