import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { WalrasError } from "../client-sdk/errors.ts";

/** What this machine lets processes have. */
export interface MachineLimits {
  /** Open files, connections among them, of one process; Infinity: not known or not limited. */
  files: number;
  /** Local ports for connections to one and the same server; Infinity: not known. */
  ports: number;
  cores: number;
}

/** Files that a process needs beside its participants' connections: pages under way, database, code. */
const OTHER_FILES = 200;
/** Ports that others on the machine, and pages under way, may be using. */
const OTHER_PORTS = 500;
/** A process plays so many before another one is worth its memory. */
const PARTICIPANTS_PER_PROCESS = 1_000;

export function readLimits(): MachineLimits {
  return { files: openFiles(), ports: localPorts(), cores: availableParallelism() };
}

/** How many processes are to make the load, unless the user says so. */
export function processesFor(participants: number, groups: number, { cores }: MachineLimits): number {
  return Math.max(1, Math.min(Math.ceil(participants / PARTICIPANTS_PER_PROCESS), cores - 1, groups));
}

export interface LoadSize {
  groups: number;
  players: number;
  processes: number;
  /** The server runs on this machine under the same limits. */
  ownServer: boolean;
}

/**
 * Refuses a load that this machine cannot hold, before it fails half-way.
 *
 * @throws WalrasError `too_many_groups` that says which limit it is, how many are possible, and what lifts it
 */
export function checkLimits(size: LoadSize, limits: MachineLimits): void {
  const { groups, players, processes, ownServer } = size;
  const participants = groups * players;
  const ofFiles = Math.max(0, limits.files - OTHER_FILES);
  // All the server's connections are in one process, those of the players in several.
  const possible = [
    { most: ofFiles * processes, why: "a process may have", cure: "Raise it with ulimit -n, or give more --processes" },
    ...(ownServer ? [{ most: ofFiles, why: "the server may have", cure: "Raise it with ulimit -n" }] : []),
  ].map((one) => ({ ...one, why: `${limits.files} open files (ulimit -n) are what ${one.why}` }));
  possible.push({
    most: Math.max(0, limits.ports - OTHER_PORTS),
    why: `${limits.ports} local ports are what this machine has for connections to one server`,
    cure: "Widen net.ipv4.ip_local_port_range, or share the load among machines with --server",
  });
  const tightest = possible.reduce((a, b) => (b.most < a.most ? b : a));
  if (participants <= tightest.most) return;
  throw new WalrasError(
    "too_many_groups",
    `${groups} groups of ${players} need ${participants} connections, which is more than this machine gives: ` +
      `${tightest.why}. Possible are ${Math.floor(tightest.most / players)} groups of ${players}. ${tightest.cure}.`,
  );
}

/** Node has raised its limit to the highest allowed one at its start; its children inherit that. */
function openFiles(): number {
  try {
    const text = execFileSync("sh", ["-c", "ulimit -n"], { encoding: "utf8" }).trim();
    return text === "unlimited" ? Number.POSITIVE_INFINITY : Number(text) || Number.POSITIVE_INFINITY;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

function localPorts(): number {
  try {
    const [first, last] = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8")
      .trim()
      .split(/\s+/)
      .map(Number);
    if (first !== undefined && last !== undefined && last >= first) return last - first + 1;
  } catch {
    // Not Linux: below.
  }
  try {
    const read = (name: string) =>
      Number(execFileSync("sysctl", ["-n", `net.inet.ip.portrange.${name}`], { encoding: "utf8" }));
    return read("last") - read("first") + 1 || Number.POSITIVE_INFINITY;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
