// JSON lines in and out: what the driver of `cargo xtask interop` speaks with each Node process.
//
// A line on stdin is a command, `{"id":1,"cmd":"mint",...}`; its answer is a line on stdout,
// `{"id":1,...}` or `{"id":1,"error":"..."}`. A line without `id` is an event. When stdin ends the
// process ends at once, whatever it is doing: the driver has gone, and nothing may be left behind.

import { createInterface } from 'node:readline';

/** Writes one line. Pipes are written synchronously on POSIX, so that no line is lost at an exit. */
export function emit(event) {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

/** Answers each command with what its function returns. */
export function serveCommands(commands) {
  const lines = createInterface({ input: process.stdin, crlfDelay: Infinity });
  lines.on('line', async (line) => {
    let id = null;
    try {
      const command = JSON.parse(line);
      id = command.id ?? null;
      const run = commands[command.cmd];
      if (!run) {
        throw new Error(`there is no command ${JSON.stringify(command.cmd)}`);
      }
      emit({ id, ...(await run(command)) });
    } catch (error) {
      emit({ id, error: String(error?.message ?? error) });
    }
  });
  lines.on('close', () => process.exit(0));
}

/** A variable of the environment that has to be there. */
export function required(name) {
  const value = process.env[name];
  if (!value) {
    process.stderr.write(`${name} is not set\n`);
    process.exit(2);
  }
  return value;
}

/** A whole number from the environment. */
export function number(name, fallback) {
  const text = process.env[name];
  if (text === undefined || text === '') {
    return fallback;
  }
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) {
    process.stderr.write(`${name} must be a whole number, not ${JSON.stringify(text)}\n`);
    process.exit(2);
  }
  return value;
}
