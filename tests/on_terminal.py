"""Runs a command on a terminal of its own and plays a person at it.

usage: on_terminal.py ROWS COLUMNS SECONDS STEPS -- ARGV...
STEPS is JSON: a list of [pattern, keys]: when the output after the step before holds the pattern, the keys are typed.
What came is written to standard output. The status is the command's, or 99 when a pattern did not come in time.
"""
import fcntl, json, os, pty, re, select, signal, struct, sys, termios, time

rows, columns, seconds, steps = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), json.loads(sys.argv[4])
argv = sys.argv[6:]
pid, fd = pty.fork()
if pid == 0:
    os.execvp(argv[0], argv)
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
os.kill(pid, signal.SIGWINCH)
end = time.monotonic() + seconds
everything, since = b"", 0
while True:
    while steps and re.search(steps[0][0].encode(), everything[since:], re.S):
        since = len(everything)
        os.write(fd, steps.pop(0)[1].encode())
    left = end - time.monotonic()
    if left <= 0:
        os.kill(pid, signal.SIGKILL)
        sys.stderr.write("never came: %s\n" % (steps[0][0] if steps else "its end"))
        break
    if not select.select([fd], [], [], min(left, 0.2))[0]:
        continue
    try:
        data = os.read(fd, 65536)
    except OSError:
        data = b""
    if not data:
        break
    everything += data
sys.stdout.buffer.write(everything)
sys.stdout.flush()
_, status = os.waitpid(pid, 0)
sys.exit(99 if left <= 0 else os.waitstatus_to_exitcode(status) & 0xFF)
