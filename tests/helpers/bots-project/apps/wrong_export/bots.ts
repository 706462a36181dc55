import { existsSync } from "node:fs";

export default { script: existsSync("nowhere") };
