import type { Log } from "../rooms/log.ts";

/** One line per event: time, level, message and `name=value` pairs. Never payloads or participant codes. */
export function makeLog(write: (line: string) => void = (line) => process.stderr.write(`${line}\n`)): Log {
  const line =
    (level: string) =>
    (message: string, fields: Record<string, unknown> = {}): void => {
      const pairs = Object.entries(fields).filter(([, value]) => value !== undefined);
      write(
        [new Date().toISOString(), level, message, ...pairs.map(([name, value]) => `${name}=${show(value)}`)].join(" "),
      );
    };
  return { info: line("info"), warn: line("warn"), error: line("error") };
}

function show(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(value.stack ?? value.message);
  if (typeof value === "string" && /^[\w./:-]+$/.test(value)) return value;
  return JSON.stringify(value) ?? String(value);
}
