// JavaScript, like main.js: a Node that is too old cannot even read TypeScript.

/** The oldest Node that runs TypeScript as it is and has what Colyseus 0.18 needs to reconnect. */
const OLDEST = /** @type {const} */ ([22, 18]);

/**
 * Why this Node cannot run Walras; undefined if it can.
 *
 * @param {string} version as in process.versions.node
 * @returns {string | undefined}
 */
export function nodeProblem(version) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return undefined;
  return `Walras needs Node ${OLDEST.join(".")} or newer, and this is Node ${version}. Run npm install, then npm start: npm uses the Node that it has put into this folder.`;
}
