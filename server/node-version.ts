/** The oldest Node that runs TypeScript as it is and has what Colyseus 0.18 needs to reconnect. */
const OLDEST = [22, 18] as const;

/** Why this Node cannot run the server; undefined if it can. @param version as in process.versions.node */
export function nodeProblem(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return undefined;
  return `Walras needs Node ${OLDEST.join(".")} or newer, and this is Node ${version}. Start it with npm start: npm then uses the Node that npm install has put into this folder.`;
}
