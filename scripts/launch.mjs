import { launch } from './launcher/launch.mjs';

const [command, ...args] = process.argv.slice(2);
process.exitCode = await launch({ command, args });
