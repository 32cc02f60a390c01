"""What an agent inside a sandbox can try to reach something: the HTTP syscall, and its proxy in three ways.

Started with one argument, a list of steps as JSON; prints one JSON line for each.
"""
import base64, json, os, socket, struct, sys, urllib.parse


def frame(opcode, request):
    body = json.dumps(request).encode()
    return struct.pack("<IIBQ", 0x41474E54, 0, opcode, len(body)) + body


def exactly(stream, length):
    data = b""
    while len(data) < length:
        more = stream.recv(length - len(data))
        if not more:
            raise EOFError("the kernel closed the connection")
        data += more
    return data


def syscall(opcode, request):
    with socket.socket(socket.AF_UNIX) as kernel:
        kernel.connect(os.environ["CLOVE_SOCKET"])
        kernel.sendall(frame(opcode, request))
        length = struct.unpack("<IIBQ", exactly(kernel, 17))[3]
        return json.loads(exactly(kernel, length))


def proxy():
    at = urllib.parse.urlsplit(os.environ["HTTP_PROXY"])
    connection = socket.create_connection((at.hostname, at.port), 10)
    connection.settimeout(10)
    return connection


def credential():
    at = urllib.parse.urlsplit(os.environ["HTTP_PROXY"])
    if at.username is None:
        return ""
    token = base64.b64encode(f"{at.username}:{at.password}".encode()).decode()
    return f"Proxy-Authorization: Basic {token}\r\n"


def everything(connection):
    data = b""
    try:
        while more := connection.recv(65536):
            data += more
    except OSError as error:
        data += f"[{error}]".encode()
    return data.decode("latin1")


def send(text):
    with proxy() as connection:
        connection.sendall(text.encode("latin1"))
        return everything(connection)


def forward(url, headers=""):
    return send(f"GET {url} HTTP/1.1\r\nHost: x\r\n{credential()}{headers}Connection: close\r\n\r\n")


def tunnel(host):
    with proxy() as connection:
        connection.sendall(f"CONNECT {host} HTTP/1.1\r\n{credential()}\r\n".encode("latin1"))
        connection.shutdown(socket.SHUT_WR)
        return everything(connection)


def socks(host, port):
    with proxy() as connection:
        name = host.encode("latin1")
        connection.sendall(b"\x05\x01\x00\x05\x01\x00\x03" + bytes([len(name)]) + name + struct.pack(">H", port))
        connection.shutdown(socket.SHUT_WR)
        return everything(connection)


def direct(host, port):
    try:
        with socket.create_connection((host, port), 3):
            return "connected"
    except OSError as error:
        return f"failed: {error}"


def hold(host):
    """Opens a tunnel, says so, and tells when it ends."""
    with proxy() as connection:
        connection.sendall(f"CONNECT {host} HTTP/1.1\r\n{credential()}\r\n".encode("latin1"))
        connection.settimeout(30)
        print(json.dumps(connection.recv(65536).decode("latin1").split("\r\n")[0]), flush=True)
        return "ended" if everything(connection) == "" else "ended late"


STEPS = {
    "http": lambda **request: syscall(0x50, {"async": False, **request}),
    "call": syscall,
    "forward": forward,
    "send": send,
    "tunnel": tunnel,
    "socks": socks,
    "direct": direct,
    "hold": hold,
    "variable": lambda name: os.environ.get(name),
    "environ": lambda: open("/proc/self/environ", "rb").read().decode("latin1"),
    "fail": lambda: 1 // 0,
}


def filled(value):
    """Puts the agent's own variables in the place of ${NAME}."""
    if isinstance(value, str) and "${" in value:
        for name, text in os.environ.items():
            value = value.replace("${" + name + "}", text)
    if isinstance(value, dict):
        return {key: filled(item) for key, item in value.items()}
    return value


for step, *arguments in json.loads(sys.argv[1]):
    if arguments and isinstance(arguments[0], dict):
        print(json.dumps(STEPS[step](**filled(arguments[0]))), flush=True)
    else:
        print(json.dumps(STEPS[step](*[filled(argument) for argument in arguments])), flush=True)
