#!/usr/bin/env node
// Runs a command in a fresh VM and ends as the command does.
//
// usage: run.js [--context NAME | --socket PATH] COMMAND [ARGUMENT...]
//
// Over a Unix socket, or with a context that `banger auth enroll` made: over TCP with mutual TLS.
'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { randomUUID } = require('node:crypto');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

// proto-loader makes the stubs from the .proto files as the program starts.
const PROTOS = process.env.BANGER_PROTO_DIR || path.join(__dirname, '../../proto');
const FILES = ['banger/v1/vm.proto', 'banger/v1/guest_session.proto', 'banger/v1/operation.proto',
  'banger/v1/common.proto', 'google/rpc/status.proto'];
const definition = loader.loadSync(FILES,
  { includeDirs: [PROTOS], longs: String, enums: String, oneofs: true });
const { v1: banger } = grpc.loadPackageDefinition(definition).banger;

const CALL_MS = 30000;
const BOOT_MS = 300000;
const OWN_ERROR = 125; // as the banger command has it: the fault is not the command's

function contextFolder(name) {
  const { BANGER_CONFIG_DIR: own, XDG_CONFIG_HOME: xdg } = process.env;
  const base = own || path.join(xdg || path.join(os.homedir(), '.config'), 'banger');
  return path.join(base, 'contexts', name);
}

function endpoint({ context, socket }) {
  if (!context) {
    return ['unix:' + socket, grpc.credentials.createInsecure()];
  }
  const folder = contextFolder(context);
  const read = (name) => fs.readFileSync(path.join(folder, name));
  const identity = read('identity.pem'); // the certificate, and its key
  return [read('target').toString().trim().replace(/^tls:/, ''),
    grpc.credentials.createSsl(read('ca.pem'), identity, identity)];
}

// A unary call as a promise.
function call(client, method, request, ms = CALL_MS) {
  return new Promise((resolve, reject) => {
    client[method](request, { deadline: Date.now() + ms },
      (error, response) => (error ? reject(error) : resolve(response)));
  });
}

class Banger {
  constructor(address, credentials) {
    this.vms = new banger.VMService(address, credentials);
    this.sessions = new banger.GuestSessionService(address, credentials);
    this.operations = new banger.OperationService(address, credentials);
  }

  close() {
    [this.vms, this.sessions, this.operations].forEach((client) => client.close());
  }

  // What an operation made, such as "vm/ID".
  async wait(operation) {
    const done = await call(this.operations, 'WaitOperation', { operation: operation.id }, BOOT_MS);
    if (done.state !== 'OPERATION_STATE_SUCCEEDED') {
      throw new Error(`${done.kind}: ${done.error.message}`);
    }
    return done.result;
  }

  // The request's id makes it safe to send again: there will be one VM all the same.
  async createVM() {
    const operation = await call(this.vms, 'CreateVM', { requestId: randomUUID() });
    return (await this.wait(operation)).replace('vm/', '');
  }

  async deleteVM(vm) {
    await this.wait(await call(this.vms, 'DeleteVM', { requestId: randomUUID(), vm, force: true }));
  }

  startSession(vm, argv) {
    return call(this.sessions, 'StartSession', { requestId: randomUUID(), vm, spec: { argv } });
  }

  // Prints the session's output; the exit status that a shell would give.
  async follow(session) {
    const outputs = { OUTPUT_STREAM_STDOUT: process.stdout, OUTPUT_STREAM_STDERR: process.stderr };
    const stream = this.sessions.Attach();
    stream.write({ open: { session: session.id } });
    for await (const { frame, ...frames } of stream) {
      const body = frames[frame];
      if (frame === 'data') {
        // Read no faster than what we print is taken.
        await new Promise((resolve) => outputs[body.stream].write(body.data, resolve));
      } else if (frame === 'gap') {
        console.error(`[${body.to - body.from} bytes are lost: ${body.reason}]`);
      } else if (frame === 'lost') {
        throw new Error(`the command was lost: ${body.message}`);
      } else if (frame === 'exit') {
        stream.end();
        return body.exit.kind === 'signal' ? 128 + body.exit.signal : body.exit.code;
      }
    }
    throw new Error('the daemon ended the stream without an exit');
  }
}

// A failed call, with banger's own word for it where there is one.
function describe(error) {
  if (!error.metadata) {
    return error.message;
  }
  let word = grpc.status[error.code];
  for (const bytes of error.metadata.get('grpc-status-details-bin')) {
    for (const any of definition['google.rpc.Status'].deserialize(bytes).details || []) {
      if (any.type_url.endsWith('/banger.v1.ErrorInfo')) {
        word = definition['banger.v1.ErrorInfo'].deserialize(any.value).reason || word;
      }
    }
  }
  return `${error.details} (${word})`;
}

function parse(argv) {
  const options = { socket: process.env.BANGER_SOCKET || '/run/banger/bangerd.sock' };
  let i = 0;
  for (; ['--context', '--socket'].includes(argv[i]); i += 2) {
    options[argv[i].slice(2)] = argv[i + 1];
  }
  options.command = argv.slice(i);
  if (options.command.length === 0) {
    console.error('usage: run.js [--context NAME | --socket PATH] COMMAND [ARGUMENT...]');
    process.exit(2);
  }
  return options;
}

async function main() {
  const options = parse(process.argv.slice(2));
  const client = new Banger(...endpoint(options));
  try {
    const vm = await client.createVM();
    try {
      return await client.follow(await client.startSession(vm, options.command));
    } finally {
      await client.deleteVM(vm);
    }
  } finally {
    client.close();
  }
}

main().then((code) => {
  process.exitCode = code;
}, (error) => {
  console.error('run.js:', describe(error));
  process.exitCode = OWN_ERROR;
});
