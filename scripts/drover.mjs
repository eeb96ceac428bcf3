#!/usr/bin/env node
import { launch } from './launcher/launch.mjs';

process.exitCode = await launch({ command: 'drover', args: process.argv.slice(2) });
