// A clock for programs whose run is recorded or replayed, loaded before them. Time goes on only where the recording
// knows it: when a frame of the kernel arrives, when a timer fires, and by a hair whenever somebody looks.
{
  const name = Symbol.for("clove.settings");
  const { epochMs, startMs, seenAs } = globalThis[name];
  let { replay } = globalThis[name];
  delete globalThis[name];

  const native = {
    setTimeout: globalThis.setTimeout,
    setImmediate: globalThis.setImmediate,
    clearTimeout: globalThis.clearTimeout,
    setInterval: globalThis.setInterval,
    clearInterval: globalThis.clearInterval,
    unrefTimer: Deno.unrefTimer,
    now: performance.now.bind(performance),
    Date,
  };

  /** What one look at the clock takes: a loop that waits for a moment comes to its end. */
  const LOOK_MS = 0.01;
  /** While replaying, the longest real time before a timer: files and other work of the program itself come first. */
  const GRACE_MS = 10;

  /** Milliseconds since the recording began. */
  let time = startMs;
  const look = () => time += LOOK_MS;

  // Timers, in order of their virtual times.
  const timers = new Map();
  let lastId = 0;
  let nativeTimer = null;
  let keepAlive = null;
  const links = new Set();
  /** Connections whose kernel may still send something before the program does. */
  const busy = new Set();

  class Timeout {
    constructor(run, delay, repeat) {
      this.id = ++lastId;
      this.run = run;
      this.delay = delay;
      this.repeat = repeat;
      this.refed = true;
      this.start();
    }
    start() {
      this.due = time + this.delay;
      this.real = native.now() + this.delay;
      timers.set(this.id, this);
      arm();
    }
    ref() {
      this.refed = true;
      arm();
      return this;
    }
    unref() {
      this.refed = false;
      arm();
      return this;
    }
    hasRef() {
      return this.refed;
    }
    refresh() {
      if (timers.has(this.id)) this.start();
      return this;
    }
    close() {
      clear(this);
      return this;
    }
    [Symbol.toPrimitive]() {
      return this.id;
    }
    [Symbol.dispose]() {
      clear(this);
    }
  }

  const clear = (timer) => {
    const id = typeof timer === "object" && timer !== null ? timer.id : Number(timer);
    if (timers.delete(id)) arm();
  };

  const earliest = () => {
    let first = null;
    for (const timer of timers.values()) {
      if (!first || timer.due < first.due || (timer.due === first.due && timer.id < first.id)) first = timer;
    }
    return first;
  };

  const fire = (timer) => {
    if (timer.due > time) time = timer.due;
    if (timer.repeat) {
      timer.due = time + Math.max(1, timer.delay);
      timer.real = native.now() + Math.max(1, timer.delay);
    } else timers.delete(timer.id);
    timer.run();
  };

  /** Sets the one real timer for the earliest virtual one, or none while the kernel may still be first. */
  const arm = () => {
    if (nativeTimer !== null) native.clearTimeout(nativeTimer);
    nativeTimer = null;
    let refed = false;
    for (const timer of timers.values()) refed ||= timer.refed;
    if (refed && keepAlive === null) keepAlive = native.setInterval(() => {}, 2 ** 30);
    else if (!refed && keepAlive !== null) {
      native.clearInterval(keepAlive);
      keepAlive = null;
    }
    const timer = earliest();
    if (!timer || catching > 0 || (replay && busy.size > 0)) return;
    const wait = replay
      ? Math.min(GRACE_MS, Math.max(0, timer.due - time))
      : Math.max(0, timer.real - native.now());
    nativeTimer = native.setTimeout(() => {
      nativeTimer = null;
      const next = earliest();
      // While recording, what the kernel sent before the timer was due comes first: it is asked how late it is there,
      // and its answer is behind everything that it sent before.
      if (!replay && ask()) return;
      try {
        if (next) fire(next);
      } finally {
        arm();
      }
    }, Math.min(wait, 2 ** 31 - 1));
    if (typeof nativeTimer === "object") nativeTimer.unref();
    else native.unrefTimer(nativeTimer);
  };

  /** Frames that wait for the timers before them. */
  let catching = 0;
  /** Asks every kernel for its time; false when there is none to ask. */
  const ask = () => {
    let asked = false;
    for (const link of links) asked = link.askTime() || asked;
    return asked;
  };
  /** Every kernel has told its time, and whatever it sent before has come: timers that were due by then may fire. */
  const fireDue = async () => {
    let horizon = Infinity;
    for (const link of links) {
      if (link.asking) return;
      if (link.horizon !== null) horizon = Math.min(horizon, link.horizon);
    }
    await catchUp(horizon);
    const next = earliest();
    // Due a moment later than there: asked again after that moment.
    if (next && horizon < Infinity) next.real = Math.max(next.real, native.now() + next.due - horizon);
  };
  const catchUp = async (moment) => {
    catching++;
    // No other timer may come between a frame and its turn.
    arm();
    try {
      for (let timer = earliest(); timer && timer.due <= moment; timer = earliest()) {
        fire(timer);
        await turn();
      }
    } finally {
      catching--;
    }
  };
  const turn = () => new Promise((resolve) => native.setImmediate(resolve));

  const delayOf = (delay) => {
    const ms = Math.trunc(Number(delay));
    return ms >= 1 && ms <= 2 ** 31 - 1 ? ms : 1;
  };
  const callable = (callback, args) => {
    if (typeof callback !== "function") {
      throw new TypeError("Cannot set a timer: its callback is no function");
    }
    return () => Reflect.apply(callback, globalThis, args);
  };

  globalThis.setTimeout = function setTimeout(callback, delay, ...args) {
    return new Timeout(callable(callback, args), delayOf(delay), false);
  };
  globalThis.setInterval = function setInterval(callback, delay, ...args) {
    return new Timeout(callable(callback, args), delayOf(delay), true);
  };
  globalThis.clearTimeout = globalThis.clearInterval = clear;
  Deno.unrefTimer = (timer) => void timers.get(Number(timer))?.unref();
  Deno.refTimer = (timer) => void timers.get(Number(timer))?.ref();

  AbortSignal.timeout = (ms) => {
    const controller = new AbortController();
    const expire = () => controller.abort(new DOMException("Signal timed out.", "TimeoutError"));
    new Timeout(expire, delayOf(ms), false).unref();
    return controller.signal;
  };

  performance.now = () => look() - startMs;
  Object.defineProperty(performance, "timeOrigin", { value: epochMs + startMs, configurable: true });

  globalThis.Date = new Proxy(native.Date, {
    construct: (target, args, newTarget) =>
      Reflect.construct(target, args.length === 0 ? [Date.now()] : args, newTarget),
    apply: () => new native.Date(Date.now()).toString(),
    get: (target, key) => key === "now" ? dateNow : Reflect.get(target, key),
  });
  const dateNow = function now() {
    return Math.floor(epochMs + look());
  };
  native.Date.prototype.constructor = globalThis.Date;

  if (globalThis.Temporal) {
    const { Now, Instant } = Temporal;
    const instant = () => Instant.fromEpochMilliseconds(dateNow());
    const zoned = (zone) => instant().toZonedDateTimeISO(zone ?? Now.timeZoneId());
    Object.assign(Now, {
      instant,
      zonedDateTimeISO: zoned,
      plainDateTimeISO: (zone) => zoned(zone).toPlainDateTime(),
      plainDateISO: (zone) => zoned(zone).toPlainDate(),
      plainTimeISO: (zone) => zoned(zone).toPlainTime(),
    });
  }

  const { process } = globalThis;
  if (process) {
    const hrtime = (before) => {
      const now = look();
      const at = [Math.floor(now / 1_000), Math.floor((now % 1_000) * 1e6)];
      if (!before) return at;
      const nanos = (at[0] - before[0]) * 1e9 + at[1] - before[1];
      return [Math.floor(nanos / 1e9), nanos % 1e9];
    };
    hrtime.bigint = () => BigInt(Math.floor(look() * 1e6));
    process.hrtime = hrtime;
    process.uptime = () => (look() - startMs) / 1_000;
  }

  for (
    const [variable, value] of Object.entries({ CLOVE_AGENT_ID: seenAs?.id, CLOVE_AGENT_NAME: seenAs?.name })
  ) {
    if (value === undefined) continue;
    try {
      Deno.env.set(variable, String(value));
    } catch (error) {
      // A program that may not read the variable cannot tell the difference.
      if (!(error instanceof Deno.errors.NotCapable)) throw error;
    }
  }

  /** One connection to the kernel, as the SDK tells of it. */
  class Link {
    sentCount = 0;
    seen = 0;
    asking = false;
    horizon = null;
    constructor(sendQuestion) {
      this.sendQuestion = sendQuestion;
      links.add(this);
      busy.add(this);
      arm();
    }
    /** False when this connection cannot be asked. */
    askTime() {
      if (!this.asking) this.asking = this.sendQuestion();
      return this.asking;
    }
    /** A request left: the kernel may answer. */
    sent() {
      this.sentCount++;
      busy.add(this);
      arm();
    }
    /** A frame about time came; resolves when whatever was due before has happened. */
    async arrived({ now, idle, live, then }) {
      if (then !== undefined) {
        this.asking = false;
        // Null: nobody records any more, and nobody's time counts.
        this.horizon = then;
        if (then === null) links.delete(this);
        await fireDue();
        arm();
        return;
      }
      if (live) {
        // From here on time is real again.
        replay = false;
        for (const timer of timers.values()) timer.real = native.now() + Math.max(0, timer.due - time);
      }
      if (typeof idle === "number") this.seen = idle;
      if (typeof now === "number") {
        await catchUp(now);
        catching++;
        // Each frame has a turn of the event loop to itself, however many came in one piece.
        await turn();
        catching--;
        if (now > time) time = now;
      }
      if (this.seen >= this.sentCount) busy.delete(this);
      else busy.add(this);
      arm();
    }
    /** The connection is gone. */
    ended() {
      busy.delete(this);
      links.delete(this);
      // Whoever still waits for the others is waited for no longer by this one.
      if (this.asking) void fireDue();
      arm();
    }
  }

  globalThis[Symbol.for("clove.clock")] = { attach: (ask) => new Link(ask) };
}
