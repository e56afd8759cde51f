const net = require('node:net');

/** As much of PostgreSQL's protocol as a login, a query and a goodbye need. */
function startDatabase(port) {
  const ready = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);
  const login = Buffer.concat([Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0]), ready]);
  const done = Buffer.concat([Buffer.from('C\0\0\0\rSELECT 1\0', 'latin1'), ready]);
  const server = net.createServer((socket) => {
    server.sockets.add(socket);
    socket.on('close', () => server.sockets.delete(socket)).on('error', () => {});
    socket.on('data', (chunk) => {
      const isSsl = chunk.length === 8 && chunk.readInt32BE(4) === 80877103;
      if (isSsl) socket.write('N');
      else if (chunk[0] === 0) socket.write(login);
      else if (chunk[0] === 0x51) socket.write(done);
    });
  });
  server.sockets = new Set();
  return server.listen(port, '127.0.0.1').unref();
}

module.exports = { startDatabase };
