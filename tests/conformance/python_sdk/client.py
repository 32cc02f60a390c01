"""A client that sends and reads exactly what the original Python SDK does.

Blocking, one request at a time, struct format "<IIBQ", and an enum of opcodes that refuses every other number.
Results are read with the same keys and the same defaults, so a key that is missing shows here as it would there.
"""

import enum
import json
import socket
import struct
import time

MAGIC = 0x41474E54
HEADER = struct.Struct("<IIBQ")


class Opcode(enum.IntEnum):
    NOOP = 0x00
    THINK = 0x01
    EXEC = 0x02
    READ = 0x03
    WRITE = 0x04
    SPAWN = 0x10
    KILL = 0x11
    LIST = 0x12
    PAUSE = 0x14
    RESUME = 0x15
    SEND = 0x20
    RECV = 0x21
    BROADCAST = 0x22
    REGISTER = 0x23
    STORE = 0x30
    FETCH = 0x31
    DELETE = 0x32
    KEYS = 0x33
    GET_PERMS = 0x40
    SET_PERMS = 0x41
    HTTP = 0x50
    SUBSCRIBE = 0x60
    UNSUBSCRIBE = 0x61
    POLL_EVENTS = 0x62
    EMIT = 0x63
    RECORD_START = 0x70
    RECORD_STOP = 0x71
    RECORD_STATUS = 0x72
    REPLAY_START = 0x73
    REPLAY_STATUS = 0x74
    GET_AUDIT_LOG = 0x76
    SET_AUDIT_CONFIG = 0x77
    ASYNC_POLL = 0x80
    WORLD_CREATE = 0xA0
    WORLD_DESTROY = 0xA1
    WORLD_LIST = 0xA2
    WORLD_JOIN = 0xA3
    WORLD_LEAVE = 0xA4
    WORLD_EVENT = 0xA5
    WORLD_STATE = 0xA6
    WORLD_SNAPSHOT = 0xA7
    WORLD_RESTORE = 0xA8
    TUNNEL_CONNECT = 0xB0
    TUNNEL_DISCONNECT = 0xB1
    TUNNEL_STATUS = 0xB2
    TUNNEL_LIST_REMOTES = 0xB3
    TUNNEL_CONFIG = 0xB4
    METRICS_SYSTEM = 0xC0
    METRICS_AGENT = 0xC1
    METRICS_ALL_AGENTS = 0xC2
    METRICS_CGROUP = 0xC3
    LLM_REPORT = 0xF0
    HELLO = 0xFE
    EXIT = 0xFF


class AgentNotFound(Exception):
    pass


class CallFailed(Exception):
    pass


class Unavailable(Exception):
    """The kernel knows the opcode and does not offer it."""


AGENT_STATES = ("running", "paused", "stopped", "starting", "crashed")


class Client:
    def __init__(self, path):
        self.agent_id = 0
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(path)

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # -- frames

    def send(self, opcode, payload):
        self.sock.sendall(HEADER.pack(MAGIC, self.agent_id, opcode, len(payload)) + payload)

    def recv(self):
        magic, agent_id, opcode, size = HEADER.unpack(self.exactly(HEADER.size))
        if magic != MAGIC:
            raise ValueError(f"magic {magic:#x}")
        payload = self.exactly(size)
        self.agent_id = agent_id
        return Opcode(opcode), payload

    def exactly(self, size):
        data = b""
        while len(data) < size:
            chunk = self.sock.recv(size - len(data))
            if not chunk:
                raise ConnectionError("closed by the kernel")
            data += chunk
        return data

    def raw(self, opcode, payload):
        self.send(opcode, payload)
        answered, data = self.recv()
        assert answered == opcode, f"asked {opcode!r}, answered {answered!r}"
        return data

    def call(self, opcode, arguments=None):
        text = json.dumps(arguments if arguments is not None else {})
        answer = json.loads(self.raw(opcode, text.encode()).decode("utf-8"))
        if isinstance(answer, dict) and answer.get("code") == "unavailable":
            raise Unavailable(answer.get("error", ""))
        return answer

    # -- core

    def hello(self):
        r = self.call(Opcode.HELLO)
        return {
            "version": r.get("version", "unknown"),
            "capabilities": r.get("capabilities", []),
            "agent_id": r.get("agent_id", self.agent_id),
            "uptime": r.get("uptime", 0),
        }

    def echo(self, message):
        return self.raw(Opcode.NOOP, message.encode()).decode("utf-8", "replace")

    def exit(self):
        self.raw(Opcode.EXIT, b"")
        return True

    # -- files and commands

    def exec(self, command, cwd=None, timeout=30, async_=False, request_id=None):
        arguments = {"command": command, "timeout": timeout, "async": async_}
        if cwd:
            arguments["cwd"] = cwd
        if request_id is not None:
            arguments["request_id"] = request_id
        r = self.call(Opcode.EXEC, arguments)
        return {
            "success": r.get("success", False),
            "stdout": r.get("stdout", ""),
            "stderr": r.get("stderr", ""),
            "exit_code": r.get("exit_code", -1),
            "duration_ms": r.get("duration_ms"),
            "async_request_id": r.get("request_id"),
        }

    def read_file(self, path):
        r = self.call(Opcode.READ, {"path": path})
        return {
            "success": r.get("success", False),
            "content": r.get("content", ""),
            "size": r.get("size", 0),
            "error": r.get("error"),
        }

    def write_file(self, path, content, mode="write"):
        r = self.call(Opcode.WRITE, {"path": path, "content": content, "mode": mode})
        return {
            "success": r.get("success", False),
            "bytes_written": r.get("bytes_written", 0),
            "error": r.get("error"),
        }

    # -- agents

    def spawn(self, name, script, sandboxed=True, network=False, limits=None, restart_policy="never",
              max_restarts=5, restart_window=300):
        arguments = {
            "name": name,
            "script": script,
            "sandboxed": sandboxed,
            "network": network,
            "restart_policy": restart_policy,
            "max_restarts": max_restarts,
            "restart_window": restart_window,
        }
        if limits:
            arguments["limits"] = limits
        r = self.call(Opcode.SPAWN, arguments)
        agent_id = r.get("id", r.get("agent_id"))
        return {
            # Any key "error" counts as a failure, whatever its value.
            "success": agent_id is not None and "error" not in r,
            "agent_id": agent_id,
            "pid": r.get("pid"),
            "error": r.get("error"),
            "status": r.get("status"),
        }

    @staticmethod
    def target(name, agent_id):
        return {"name": name} if name is not None else {"id": agent_id}

    def kill(self, name=None, agent_id=None):
        r = self.call(Opcode.KILL, self.target(name, agent_id))
        if not r.get("killed", False):
            raise AgentNotFound(r.get("error", "Agent not found"))
        return True

    def pause(self, name=None, agent_id=None):
        r = self.call(Opcode.PAUSE, self.target(name, agent_id))
        if not r.get("success", False):
            raise CallFailed(r.get("error", "Pause failed"))
        return True

    def resume(self, name=None, agent_id=None):
        r = self.call(Opcode.RESUME, self.target(name, agent_id))
        if not r.get("success", False):
            raise CallFailed(r.get("error", "Resume failed"))
        return True

    def list_agents(self):
        r = self.call(Opcode.LIST)
        items = r if isinstance(r, list) else r.get("agents", [])
        return [
            {
                "id": a.get("id", 0),
                "name": a.get("name", ""),
                "pid": a.get("pid", 0),
                "state": a.get("state", "running") if a.get("state", "running") in AGENT_STATES else "running",
                "known_state": a.get("state", "running") in AGENT_STATES,
                "uptime_seconds": a.get("uptime", 0),
                "memory_bytes": a.get("memory"),
                "cpu_percent": a.get("cpu"),
            }
            for a in items
        ]

    # -- messages

    def register_name(self, name):
        r = self.call(Opcode.REGISTER, {"name": name})
        return {"success": r.get("success", False), "error": r.get("error")}

    def send_message(self, message, to=None, to_name=None):
        arguments = {"message": message}
        if to is not None:
            arguments["to"] = to
        if to_name is not None:
            arguments["to_name"] = to_name
        r = self.call(Opcode.SEND, arguments)
        return {
            "success": r.get("success", False),
            "delivered": r.get("delivered", r.get("delivered_to", 0) > 0),
            "error": r.get("error"),
        }

    def recv_messages(self, max_messages=10):
        r = self.call(Opcode.RECV, {"max": max_messages})
        now = time.time()
        return {
            "success": r.get("success", False),
            "count": r.get("count", 0),
            "messages": [
                {
                    "from_agent": m.get("from", 0),
                    "from_name": m.get("from_name", ""),
                    "message": m.get("message", {}),
                    "timestamp": m.get("timestamp", now - m.get("age_ms", 0) / 1000),
                }
                for m in r.get("messages", [])
            ],
        }

    def broadcast(self, message, include_self=False):
        r = self.call(Opcode.BROADCAST, {"message": message, "include_self": include_self})
        return {"success": r.get("success", False), "delivered_count": r.get("delivered_count", 0)}

    # -- state

    def store(self, key, value, scope="global", ttl=None):
        arguments = {"key": key, "value": value, "scope": scope}
        if ttl is not None:
            arguments["ttl"] = ttl
        r = self.call(Opcode.STORE, arguments)
        return {"success": r.get("success", False), "error": r.get("error")}

    def fetch(self, key):
        r = self.call(Opcode.FETCH, {"key": key})
        return {
            "success": r.get("success", False),
            "value": r.get("value"),
            "found": r.get("exists", r.get("found", False)),
        }

    def delete_key(self, key):
        r = self.call(Opcode.DELETE, {"key": key})
        return {"success": r.get("success", False), "deleted": r.get("deleted", False)}

    def list_keys(self, prefix=""):
        r = self.call(Opcode.KEYS, {"prefix": prefix})
        return {"success": r.get("success", False), "keys": r.get("keys", []), "count": r.get("count", 0)}

    # -- events and asynchronous results

    def subscribe(self, types):
        r = self.call(Opcode.SUBSCRIBE, {"event_types": types})
        return {"success": r.get("success", False), "subscribed": r.get("subscribed", [])}

    def unsubscribe(self, types):
        r = self.call(Opcode.UNSUBSCRIBE, {"event_types": types})
        return {"success": r.get("success", False), "subscribed": r.get("subscribed", [])}

    def poll_events(self, max_events=10):
        r = self.call(Opcode.POLL_EVENTS, {"max": max_events})
        return [
            {
                "event_type": e.get("event_type", ""),
                "data": e.get("data", {}),
                "timestamp": e.get("timestamp", 0.0),
                "source_agent": e.get("source_agent"),
            }
            for e in r.get("events", [])
        ]

    def emit_event(self, event_type, data):
        r = self.call(Opcode.EMIT, {"event_type": event_type, "data": data})
        return {"success": r.get("success", False), "delivered_to": r.get("delivered_to", 0)}

    def poll_async(self, max_results=10):
        r = self.call(Opcode.ASYNC_POLL, {"max": max_results})
        return [
            {
                "request_id": a.get("request_id"),
                "opcode": a.get("opcode"),
                "success": a.get("success", False),
                "result": a.get("result", {}),
                "error": a.get("error"),
            }
            for a in r.get("results", [])
        ]

    # -- permissions

    @staticmethod
    def permissions_info(r):
        return {
            "success": r.get("success", False),
            "level": r.get("level"),
            "paths": r.get("paths", []),
            "commands": r.get("commands", []),
            "domains": r.get("domains", []),
            "error": r.get("error"),
        }

    def get_permissions(self):
        return self.permissions_info(self.call(Opcode.GET_PERMS))

    def set_permissions(self, permissions=None, level=None, agent_id=None):
        arguments = {}
        if permissions is not None:
            arguments["permissions"] = permissions
        if level is not None:
            arguments["level"] = level
        if agent_id is not None:
            arguments["agent_id"] = agent_id
        return self.permissions_info(self.call(Opcode.SET_PERMS, arguments))

    # -- audit

    def get_audit_log(self, category=None, agent_id=None, since_id=0, limit=100):
        arguments = {"since_id": since_id, "limit": limit}
        if category:
            arguments["category"] = category
        if agent_id:
            arguments["agent_id"] = agent_id
        r = self.call(Opcode.GET_AUDIT_LOG, arguments)
        return [
            {
                "id": e["id"],
                "timestamp": e["timestamp"],
                "category": e["category"],
                "agent_id": e["agent_id"],
                "action": e.get("action", ""),
                "details": e.get("details", {}),
            }
            for e in r.get("entries", [])
        ]

    def set_audit_config(self, **changes):
        r = self.call(Opcode.SET_AUDIT_CONFIG, changes)
        return {"success": r.get("success", False), "config": r.get("config", {}), "error": r.get("error")}

    # -- metrics

    def get_system_metrics(self):
        m = self.call(Opcode.METRICS_SYSTEM).get("metrics", {})
        cpu, memory, disk, network = (m.get(k, {}) for k in ("cpu", "memory", "disk", "network"))
        return {
            "cpu_percent": cpu.get("percent", 0.0),
            "load_avg": cpu.get("load_avg", []),
            "memory_used": memory.get("used", 0),
            "memory_total": memory.get("total", 0),
            "memory_percent": memory.get("percent", 0.0),
            "disk_used_bytes": disk.get("read_bytes", 0) + disk.get("write_bytes", 0),
            "network_rx": network.get("bytes_recv", 0),
            "network_tx": network.get("bytes_sent", 0),
        }

    @staticmethod
    def agent_metrics(m):
        process = m.get("process", {})
        return {
            "agent_id": m.get("agent_id", 0),
            "name": m.get("name", ""),
            "cpu_percent": process.get("cpu", {}).get("percent", 0.0),
            "memory_bytes": process.get("memory", {}).get("rss", 0),
            "memory_percent": process.get("memory", {}).get("percent", 0.0),
            "syscalls": m.get("kernel_stats", {}).get("syscall_count", 0),
            "uptime_ms": m.get("uptime_ms", 0),
            "status": m.get("status", ""),
        }

    def get_agent_metrics(self, agent_id=None):
        r = self.call(Opcode.METRICS_AGENT, {} if agent_id is None else {"agent_id": agent_id})
        return self.agent_metrics(r.get("metrics", {}))

    def get_all_agent_metrics(self):
        return [self.agent_metrics(m) for m in self.call(Opcode.METRICS_ALL_AGENTS).get("agents", [])]

    # -- worlds

    def world_create(self, name, config=None):
        r = self.call(Opcode.WORLD_CREATE, {"name": name, "config": config or {}})
        return {"success": r.get("success", False), "world_id": r.get("world_id"), "error": r.get("error")}

    def world_list(self):
        r = self.call(Opcode.WORLD_LIST)
        return [
            {"id": w["id"], "name": w["name"], "agent_count": w["agent_count"], "created_at": w.get("created_at", 0.0)}
            for w in r.get("worlds", [])
        ]

    def world_state(self, world_id):
        r = self.call(Opcode.WORLD_STATE, {"world_id": world_id})
        return {
            "id": r.get("id", world_id),
            "name": r.get("name", ""),
            "agents": r.get("agents", []),
            "metrics": r.get("metrics", {}),
        }

    def world_snapshot(self, world_id):
        r = self.call(Opcode.WORLD_SNAPSHOT, {"world_id": world_id})
        return {"snapshot_id": r.get("snapshot_id"), "snapshot_data": r.get("snapshot_data")}

    def world_restore(self, snapshot, new_world_id=""):
        r = self.call(Opcode.WORLD_RESTORE, {"snapshot": snapshot, "new_world_id": new_world_id})
        return {"success": r.get("success", False), "world_id": r.get("world_id"), "error": r.get("error")}

    def world_destroy(self, world_id, force=False):
        r = self.call(Opcode.WORLD_DESTROY, {"world_id": world_id, "force": force})
        return {"success": r.get("success", False), "error": r.get("error")}

    # -- recording

    def start_recording(self):
        r = self.call(Opcode.RECORD_START)
        return {"success": r.get("success", False), "active": r.get("active", False),
                "started_at": r.get("started_at"), "error": r.get("error")}

    def stop_recording(self):
        r = self.call(Opcode.RECORD_STOP)
        return {"success": r.get("success", False), "active": r.get("active", False),
                "entry_count": r.get("entry_count", 0)}

    def get_recording_status(self, export=False):
        r = self.call(Opcode.RECORD_STATUS, {"export": export} if export else {})
        return {"active": r.get("active", False), "entry_count": r.get("entry_count", 0),
                "recording_data": r.get("recording_data")}

    # -- tunnel

    def tunnel_status(self):
        r = self.call(Opcode.TUNNEL_STATUS)
        return {"success": r.get("success", False), "connected": r.get("connected", False), "error": r.get("error")}

    def tunnel_list_remotes(self):
        r = self.call(Opcode.TUNNEL_LIST_REMOTES)
        return {"agents": r.get("agents", []), "count": r.get("count", 0), "error": r.get("error")}
