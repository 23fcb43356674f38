#!/usr/bin/env node
/** The `bitloom` command: runs the command line and leaves with its exit code. */
import { main } from './main.js';

process.exitCode = await main(process.argv);
