#!/usr/bin/env node
// The command as npm links it. It stands in the repository, because npm links only what exists when it installs,
// and the bundle is built after that.
import '../dist/bin.js';
