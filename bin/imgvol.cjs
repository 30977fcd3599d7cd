#!/usr/bin/env node
// Old syntax on purpose: this file must parse on a Node.js too old for the rest, and say so in one line.
'use strict';
var wanted = [22, 18];
var have = process.versions.node.split('.').map(Number);
if (have[0] < wanted[0] || (have[0] === wanted[0] && have[1] < wanted[1])) {
  process.stderr.write(
    'error: imgvol needs Node.js ' + wanted.join('.') + ' or newer; this is ' + process.versions.node + ' (' + process.execPath + ')\n'
  );
  process.exit(2);
}
// Streams make short-lived objects at the pace of the disk. A young generation that may not grow keeps the memory of a pull
// under two thirds of what it would be, at the same speed (docs/adr/0005).
require('v8').setFlagsFromString('--semi-space-growth-factor=1');
import('../dist/cli/main.js').catch(function (error) {
  var path = require('path');
  var home = path.dirname(__dirname);
  if (!require('fs').existsSync(path.join(home, 'dist/cli/main.js'))) {
    process.stderr.write('error: imgvol is not built: ' + home + ' has no dist/\nhint: run `npm run build` there\n');
    process.exit(3);
  }
  process.stderr.write('error: imgvol could not start: ' + (error && error.message) + '\n');
  process.exit(3);
});
