// The echo service by grpc-js: a peer of the benchmarks.
//
//   node server.js --proto FILE --unix PATH --certs FOLDER
//
// Listens on the socket, and on 127.0.0.1 in plain text and with mutual TLS; prints "ready PORT
// TLS_PORT".
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { parseArgs, promisify } = require('node:util');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const text = { type: 'string' };
const options = parseArgs({ options: { unix: text, certs: text, proto: text } }).values;

function unary(call, callback) {
  const { text, payload } = call.request;
  callback(null, { text, payload, seq: 1 });
}

function bidi(call) {
  let seq = 0;
  let total = 0;
  call.on('data', ({ text, payload }) => {
    total += payload.length;
    if (!call.write({ text, payload, seq: ++seq, total_bytes: total })) {
      call.pause();
      call.once('drain', () => call.resume());
    }
  });
  call.on('end', () => call.end());
}

function mutualTls(folder) {
  const read = (name) => fs.readFileSync(path.join(folder, name));
  const pair = { private_key: read('server.key'), cert_chain: read('server.pem') };
  return grpc.ServerCredentials.createSsl(read('ca.pem'), [pair], true);
}

async function main() {
  const definition = loader.loadSync(options.proto, { keepCase: true, longs: Number });
  const { EchoService } = grpc.loadPackageDefinition(definition).banger.test.v1;
  const server = new grpc.Server();
  server.addService(EchoService.service, { Unary: unary, Bidi: bidi });
  const bind = promisify(server.bindAsync).bind(server);
  await bind(`unix:${options.unix}`, grpc.ServerCredentials.createInsecure());
  const port = await bind('127.0.0.1:0', grpc.ServerCredentials.createInsecure());
  const tlsPort = await bind('127.0.0.1:0', mutualTls(options.certs));
  console.log(`ready ${port} ${tlsPort}`);
}

main();
