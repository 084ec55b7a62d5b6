#!/usr/bin/env node
// echo-argv WORDS…: its arguments as JSON.
process.stdout.write(JSON.stringify(process.argv.slice(2)));
