"""What a program on the original Python SDK must see. Usage: checks.py SOCKET DIRECTORY

Prints one line a check: "ok NAME", "skip NAME: REASON" where the kernel does not offer the family, or "failed NAME:
REASON". The status is 1 when a check failed.
"""

import os
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from client import AgentNotFound, CallFailed, Client, Opcode, Unavailable  # noqa: E402

SOCKET, DIRECTORY = sys.argv[1], sys.argv[2]
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def same(got, expected):
    assert got == expected, f"got {got!r}, expected {expected!r}"


def eventually(what, seconds=10):
    until = time.time() + seconds
    while time.time() < until:
        got = what()
        if got:
            return got
        time.sleep(0.02)
    raise AssertionError("did not happen in time")


def agent_script(text):
    path = os.path.join(DIRECTORY, f"agent_{time.time_ns()}.py")
    with open(path, "w") as file:
        file.write(text)
    return path


@check
def the_first_answer_tells_who_the_caller_is(c):
    same(c.agent_id, 0)
    c.echo("x")
    assert c.agent_id > 0


@check
def hello_has_a_version_and_capabilities(c):
    hello = c.hello()
    assert hello["version"] != "unknown", hello
    assert hello["capabilities"] and all(isinstance(one, str) for one in hello["capabilities"]), hello
    same(hello["agent_id"], c.agent_id)
    assert isinstance(hello["uptime"], float) and hello["uptime"] > 0, hello


@check
def echo_gives_text_back(c):
    for text in ("", "hello", "grüße \u2713", '{"not": "parsed"}', "x" * 100_000):
        same(c.echo(text), text)


@check
def exit_leaves_the_connection_open(c):
    same(c.raw(Opcode.EXIT, b""), b"goodbye")
    same(c.echo("still here"), "still here")


@check
def files_are_written_appended_and_read(c):
    path = os.path.join(DIRECTORY, "note.txt")
    same(c.write_file(path, "grüße\n"), {"success": True, "bytes_written": 8, "error": None})
    same(c.write_file(path, "more\n", "append")["bytes_written"], 5)
    same(c.read_file(path), {"success": True, "content": "grüße\nmore\n", "size": 13, "error": None})
    missing = c.read_file(os.path.join(DIRECTORY, "none"))
    assert not missing["success"] and "failed to open file" in missing["error"], missing
    same((missing["content"], missing["size"]), ("", 0))
    assert "path required" in c.read_file("")["error"] or not c.read_file("")["success"]


@check
def commands_run_with_separate_streams(c):
    done = c.exec("sh -c 'echo out; echo err >&2; exit 3'")
    same((done["success"], done["exit_code"]), (False, 3))
    same((done["stdout"], done["stderr"]), ("out\n", "err\n"))
    assert done["duration_ms"] >= 0, done
    good = c.exec("pwd", cwd=DIRECTORY)
    same((good["success"], good["exit_code"], good["stdout"].strip()), (True, 0, os.path.realpath(DIRECTORY)))


@check
def commands_out_of_time_answer_with_what_there_was(c):
    began = time.time()
    late = c.exec("sh -c 'echo first; sleep 20'", timeout=1)
    assert time.time() - began < 10
    same((late["success"], late["exit_code"], late["stdout"]), (False, -1, "first\n"))


@check
def asynchronous_commands_are_polled(c):
    accepted = c.exec("echo later", async_=True, request_id=77)
    same((accepted["success"], accepted["async_request_id"]), (True, 77))
    (result,) = eventually(c.poll_async)
    same((result["request_id"], result["opcode"], result["success"]), (77, 0x02, True))
    same(result["result"]["stdout"], "later\n")
    same(result["error"], None)


@check
def a_python_agent_gets_the_socket_as_its_argument(c):
    out = os.path.join(DIRECTORY, "argv")
    script = agent_script("import os, sys\nprint(len(sys.argv), os.path.exists(sys.argv[1]), flush=True)\n")
    spawned = c.spawn(f"argv-{time.time_ns()}", script, sandboxed=False, network=True)
    same((spawned["success"], spawned["error"], spawned["status"]), (True, None, "running"))
    assert spawned["agent_id"] > 0 and spawned["pid"] > 0, spawned
    del out


@check
def agents_are_listed_paused_resumed_and_killed(c):
    name = f"sleeper-{time.time_ns()}"
    script = agent_script("import time\ntime.sleep(60)\n")
    agent_id = c.spawn(name, script, limits={"memory": 128 << 20, "max_pids": 16})["agent_id"]

    def listed():
        (one,) = [a for a in c.list_agents() if a["name"] == name]
        return one

    running = listed()
    same((running["id"], running["state"], running["known_state"]), (agent_id, "running", True))
    assert running["pid"] > 0 and running["uptime_seconds"] >= 0, running
    assert c.pause(agent_id=agent_id)
    same((listed()["state"], listed()["known_state"]), ("paused", True))
    try:
        c.pause(name=name)
        raise AssertionError("a paused agent was paused again")
    except CallFailed as error:
        assert str(error) != "Pause failed", "no reason was given"
    assert c.resume(name=name)
    same(listed()["state"], "running")
    assert c.kill(agent_id=agent_id)
    eventually(lambda: not [a for a in c.list_agents() if a["name"] == name])
    try:
        c.kill(name=name)
        raise AssertionError("an agent was killed twice")
    except AgentNotFound:
        pass


@check
def a_spawn_that_fails_says_so(c):
    failed = c.spawn("broken", "")
    same(failed["success"], False)
    assert "script path required" in failed["error"], failed
    assert not c.spawn("broken", os.path.join(DIRECTORY, "none.py"))["success"]


@check
def messages_go_by_number_and_by_name(c):
    with Client(SOCKET) as other:
        name = f"receiver-{time.time_ns()}"
        same(other.register_name(name), {"success": True, "error": None})
        taken = c.register_name(name)
        assert not taken["success"] and "name already registered" in taken["error"], taken
        assert "name required" in c.register_name("")["error"]
        same(c.send_message({"n": 1}, to_name=name), {"success": True, "delivered": True, "error": None})
        same(c.send_message("two", to=other.agent_id)["delivered"], True)
        got = other.recv_messages()
        same((got["success"], got["count"]), (True, 2))
        same([m["message"] for m in got["messages"]], [{"n": 1}, "two"])
        same(got["messages"][0]["from_agent"], c.agent_id)
        assert abs(got["messages"][0]["timestamp"] - time.time()) < 5, got
        same(other.recv_messages()["messages"], [])
        nobody = c.send_message({}, to_name="nobody at all")
        assert not nobody["success"] and not nobody["delivered"], nobody
        assert "target agent not found" in nobody["error"], nobody
        assert "target agent required" in c.send_message({})["error"]
        same(c.broadcast({"all": True})["success"], True)
        same(other.recv_messages()["messages"][0]["message"], {"all": True})


@check
def state_is_kept_listed_and_deleted(c):
    key = f"py-{time.time_ns()}"
    same(c.store(key, {"deep": [1, None, "x"]}), {"success": True, "error": None})
    same(c.fetch(key), {"success": True, "value": {"deep": [1, None, "x"]}, "found": True})
    same(c.list_keys(key), {"success": True, "keys": [key], "count": 1})
    same(c.delete_key(key), {"success": True, "deleted": True})
    same(c.fetch(key), {"success": True, "value": None, "found": False})
    same(c.delete_key(key)["deleted"], False)
    assert "key is required" in c.store("", 1)["error"]
    same(c.store(key, 1, ttl=1)["success"], True)
    eventually(lambda: not c.fetch(key)["found"], 5)


@check
def state_of_scope_agent_is_the_callers_own(c):
    key = f"own-{time.time_ns()}"
    same(c.store(key, 1, scope="agent")["success"], True)
    same(c.fetch(key)["value"], 1)
    with Client(SOCKET) as other:
        same(other.fetch(key)["found"], False)


@check
def events_are_polled_with_their_names(c):
    same(c.subscribe(["CUSTOM", "STATE_CHANGED"])["subscribed"], ["CUSTOM", "STATE_CHANGED"])
    with Client(SOCKET) as other:
        emitted = other.emit_event("build.done", {"ok": True})
        same(emitted["success"], True)
        assert emitted["delivered_to"] >= 1, emitted
        other.store("py-event", 1)
        custom, changed = c.poll_events()
        same((custom["event_type"], custom["data"]["ok"]), ("build.done", True))
        same((custom["data"]["custom_type"], custom["source_agent"]), ("build.done", other.agent_id))
        assert abs(custom["timestamp"] - time.time()) < 5, custom
        same(changed["event_type"], "STATE_CHANGED")
        same((changed["data"]["key"], changed["data"]["action"]), ("py-event", "store"))
    same(c.unsubscribe(["CUSTOM"])["subscribed"], ["STATE_CHANGED"])
    same(c.unsubscribe(["STATE_CHANGED"])["subscribed"], [])


@check
def permissions_have_a_level_and_lists(c):
    mine = c.get_permissions()
    same((mine["success"], mine["error"]), (True, None))
    assert isinstance(mine["level"], str), mine
    for key in ("paths", "commands", "domains"):
        assert isinstance(mine[key], list), mine
    lowered = c.set_permissions(level="readonly")
    same((lowered["success"], c.get_permissions()["level"]), (True, "readonly"))
    refused = c.write_file(os.path.join(DIRECTORY, "refused"), "x")
    assert not refused["success"] and "Permission denied: path not allowed for writing" in refused["error"], refused
    refused = c.exec("true")
    same((refused["success"], refused["exit_code"]), (False, -1))


@check
def a_bad_request_fails_alone(c):
    for payload in (b"not json", b"[1]", b"7", b'"text"', b'{"path":7}', b"\xff\xfe", b"{"):
        for opcode in (Opcode.READ, Opcode.STORE, Opcode.SPAWN, Opcode.SEND, Opcode.EXEC, Opcode.SUBSCRIBE):
            c.raw(opcode, payload)
    same(c.echo("alive"), "alive")


@check
def an_empty_payload_is_no_arguments(c):
    for opcode in (Opcode.LIST, Opcode.KEYS, Opcode.POLL_EVENTS, Opcode.RECV, Opcode.GET_PERMS, Opcode.HELLO):
        answer = c.raw(opcode, b"")
        assert b'"error"' not in answer, (opcode, answer)


@check
def the_audit_log_has_actions(c):
    config = c.set_audit_config(log_syscalls=True)
    same((config["success"], config["error"]), (True, None))
    assert len(config["config"]) >= 9, config
    with Client(SOCKET) as other:
        other.set_permissions(level="minimal")
        other.read_file("/etc/hostname")
    refused = [e for e in c.get_audit_log(category="SECURITY") if e["action"] == "SYSCALL_BLOCKED"]
    assert refused, c.get_audit_log()
    assert isinstance(refused[-1]["timestamp"], str) and isinstance(refused[-1]["details"], dict), refused


@check
def metrics_have_numbers(c):
    system = c.get_system_metrics()
    assert system["memory_total"] > 0 and 0 <= system["memory_percent"] <= 100, system
    same(len(system["load_avg"]), 3)
    assert isinstance(c.get_all_agent_metrics(), list)


@check
def metrics_of_an_agent(c):
    script = agent_script("import time\ntime.sleep(60)\n")
    name = f"measured-{time.time_ns()}"
    agent_id = c.spawn(name, script)["agent_id"]
    try:
        m = c.get_agent_metrics(agent_id)
        same((m["agent_id"], m["name"]), (agent_id, name))
        assert m["status"], m
        assert agent_id in [one["agent_id"] for one in c.get_all_agent_metrics()]
    finally:
        c.kill(agent_id=agent_id)


@check
def worlds_are_created_looked_at_and_restored(c):
    world = c.world_create("py", {})
    same((world["success"], world["error"]), (True, None))
    world_id = world["world_id"]
    assert world_id in [w["id"] for w in c.world_list()]
    same((c.world_state(world_id)["id"], c.world_state(world_id)["name"]), (world_id, "py"))
    snapshot = c.world_snapshot(world_id)
    assert snapshot["snapshot_id"] and isinstance(snapshot["snapshot_data"], str), snapshot
    restored = c.world_restore(snapshot["snapshot_data"])
    same(restored["success"], True)
    for one in (world_id, restored["world_id"]):
        same(c.world_destroy(one, force=True)["success"], True)


@check
def recordings_start_and_stop(c):
    started = c.start_recording()
    same((started["success"], started["active"], started["error"]), (True, True, None))
    assert abs(started["started_at"] - time.time()) < 5, started
    c.store("recorded", 1)
    same(c.get_recording_status()["active"], True)
    stopped = c.stop_recording()
    same((stopped["success"], stopped["active"]), (True, False))
    assert stopped["entry_count"] >= 1, stopped
    assert isinstance(c.get_recording_status(export=True)["recording_data"], str)


@check
def the_tunnel_has_a_status(c):
    status = c.tunnel_status()
    same((status["success"], status["connected"], status["error"]), (True, False, None))
    same(c.tunnel_list_remotes()["error"], None)


def main():
    failed = 0
    for function in CHECKS:
        name = function.__name__.replace("_", " ")
        try:
            with Client(SOCKET) as c:
                c.sock.settimeout(30)
                function(c)
            print(f"ok {name}", flush=True)
        except Unavailable as reason:
            print(f"skip {name}: {reason}", flush=True)
        except Exception as error:
            failed += 1
            where = traceback.extract_tb(error.__traceback__)[-1]
            print(f"failed {name}: {type(error).__name__}: {error} (line {where.lineno}: {where.line})", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
