// ONNX Runtime as the bench's peer: the requests and answers of ../README.md, a line of JSON each.
'use strict';
const ort = require('onnxruntime-node');
const packageFile = require('onnxruntime-node/package.json');
const readline = require('node:readline');

let session = null;
let types = {};  // of the inputs, by name
let batches = [];

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function load(request) {
  const options = {
    graphOptimizationLevel: 'all',
    executionMode: 'sequential',
    intraOpNumThreads: request.threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  };
  const start = performance.now();
  session = await ort.InferenceSession.create(request.load, options);
  const loadMs = performance.now() - start;
  for (const input of session.inputMetadata ?? []) types[input.name] = input.type;
  return {
    engine: 'onnxruntime', version: packageFile.version, isa: '', load_ms: loadMs, outputs: session.outputNames,
  };
}

function tensor(name, values, dims) {
  if (types[name] === 'int32') return new ort.Tensor('int32', Int32Array.from(values), dims);
  return new ort.Tensor('int64', BigInt64Array.from(values, BigInt), dims);
}

function prepare(request) {
  batches = request.batches.map(({batch, length, feeds}) => {
    const tensors = {};
    for (const [name, values] of Object.entries(feeds)) {
      if (session.inputNames.includes(name)) tensors[name] = tensor(name, values, [batch, length]);
    }
    return tensors;
  });
  return {};
}

async function time({first, runs, seconds}) {
  const ms = [];
  let spent = 0;
  while (ms.length === 0 || (seconds > 0 ? spent < seconds * 1000 : ms.length < runs)) {
    const feeds = batches[(first + ms.length) % batches.length];
    const start = performance.now();
    await session.run(feeds);
    ms.push(performance.now() - start);
    spent += ms.at(-1);
  }
  return {ms};
}

async function serve(arrivals) {
  const ms = [];
  const start = performance.now();
  for (const [i, arrival] of arrivals.entries()) {
    // A timer may be late by more than a millisecond, so the last of the waiting is done awake.
    const early = start + arrival - performance.now();
    if (early > 3) await wait(early - 3);
    while (performance.now() < start + arrival);
    await session.run(batches[i % batches.length]);
    ms.push(performance.now() - start - arrival);
  }
  return {ms};
}

async function answer(request) {
  const results = await session.run(batches[request.answer % batches.length]);
  const outputs = [];
  for (const name of session.outputNames) {
    const {type, dims, data} = results[name];
    if (type !== 'float32') continue;
    const some = data.subarray(0, request.most);
    outputs.push({name, dims, data: Buffer.from(some.buffer, some.byteOffset, some.byteLength).toString('base64')});
  }
  return {outputs};
}

async function respond(request) {
  if ('load' in request) return load(request);
  if ('batches' in request) return prepare(request);
  if ('time' in request) return time(request.time);
  if ('serve' in request) return serve(request.serve);
  if ('answer' in request) return answer(request);
  throw new Error('unknown request');
}

async function main() {
  for await (const line of readline.createInterface({input: process.stdin, crlfDelay: Infinity})) {
    let response;
    try {
      response = await respond(JSON.parse(line));
    } catch (error) {
      response = {error: String(error.message ?? error)};
    }
    process.stdout.write(JSON.stringify(response) + '\n');
  }
}

main();
