/**
 * Server reflection straight from the descriptor set that buf compiled. The stock package reads
 * .proto files at run time and gets the names of map entries wrong.
 */
import type { ServerDuplexStream } from '@grpc/grpc-js'
import protobuf from 'protobufjs/minimal.js'
import type { ServerReflectionRequest, ServerReflectionResponse } from '../../proto/control.gen.js'
import { descriptorSet } from '../../proto/set.gen.js'

/** Field numbers of google/protobuf/descriptor.proto. */
const setFile = 1
const file = { name: 1, package: 2, dependency: 3, message: 4, enum: 5, service: 6 }
const message = { name: 1, nested: 3, enum: 4 }
const service = { name: 1, method: 2 }

/** google.rpc.Code */
const notFound = 5
const unimplemented = 12

interface Fields {
  text(field: number): string
  all(field: number): readonly Uint8Array[]
}

/** The length-delimited fields of one message. */
function fieldsOf(bytes: Uint8Array): Fields {
  const found = new Map<number, Uint8Array[]>()
  const reader = protobuf.Reader.create(bytes)
  while (reader.pos < reader.len) {
    const tag = reader.uint32()
    if ((tag & 7) !== 2) {
      reader.skipType(tag & 7)
      continue
    }
    const values = found.get(tag >>> 3) ?? []
    values.push(reader.bytes())
    found.set(tag >>> 3, values)
  }
  return {
    text: (field) => Buffer.from(found.get(field)?.[0] ?? []).toString(),
    all: (field) => found.get(field) ?? [],
  }
}

interface Index {
  readonly services: readonly string[]
  readonly files: ReadonlyMap<string, { bytes: Uint8Array; dependencies: readonly string[] }>
  /** Full name of a message, enum, service or method → its file. */
  readonly symbols: ReadonlyMap<string, string>
}

/** @param bytes a serialized FileDescriptorSet */
export function indexOf(bytes: Uint8Array): Index {
  const services: string[] = []
  const files = new Map<string, { bytes: Uint8Array; dependencies: readonly string[] }>()
  const symbols = new Map<string, string>()
  for (const fileBytes of fieldsOf(bytes).all(setFile)) {
    const of = fieldsOf(fileBytes)
    const path = of.text(file.name)
    const prefix = of.text(file.package) === '' ? '' : `${of.text(file.package)}.`
    const dependencies = of.all(file.dependency).map((name) => Buffer.from(name).toString())
    files.set(path, { bytes: fileBytes, dependencies })
    const addEnum = (scope: string, one: Uint8Array): void => {
      symbols.set(`${scope}${fieldsOf(one).text(1)}`, path)
    }
    const addMessage = (scope: string, one: Uint8Array): void => {
      const inner = fieldsOf(one)
      const name = `${scope}${inner.text(message.name)}`
      symbols.set(name, path)
      for (const nested of inner.all(message.nested)) addMessage(`${name}.`, nested)
      for (const nested of inner.all(message.enum)) addEnum(`${name}.`, nested)
    }
    for (const one of of.all(file.message)) addMessage(prefix, one)
    for (const one of of.all(file.enum)) addEnum(prefix, one)
    for (const one of of.all(file.service)) {
      const inner = fieldsOf(one)
      const name = `${prefix}${inner.text(service.name)}`
      services.push(name)
      symbols.set(name, path)
      for (const each of inner.all(service.method)) {
        symbols.set(`${name}.${fieldsOf(each).text(1)}`, path)
      }
    }
  }
  return { services: services.sort(), files, symbols }
}

type Answer = Omit<ServerReflectionResponse, 'validHost' | 'originalRequest'>

const refuse = (errorCode: number, errorMessage: string): Answer => ({
  errorResponse: { errorCode, errorMessage },
})

/** A file with all it needs, each once. */
function fileAnswer(index: Index, path: string | undefined, asked: string): Answer {
  if (path === undefined || !index.files.has(path)) return refuse(notFound, `${asked}: not found`)
  const wanted = new Set([path])
  for (const each of wanted) {
    for (const dependency of index.files.get(each)?.dependencies ?? []) wanted.add(dependency)
  }
  const found = [...wanted].flatMap((each) => index.files.get(each)?.bytes ?? [])
  return { fileDescriptorResponse: { fileDescriptorProto: found } }
}

/** What reflection says to one request. */
export function answer(index: Index, request: ServerReflectionRequest): Answer {
  if (request.listServices !== undefined) {
    return { listServicesResponse: { service: index.services.map((name) => ({ name })) } }
  }
  if (request.fileByFilename !== undefined) {
    return fileAnswer(index, request.fileByFilename, request.fileByFilename)
  }
  if (request.fileContainingSymbol !== undefined) {
    const symbol = request.fileContainingSymbol
    return fileAnswer(index, index.symbols.get(symbol), symbol)
  }
  if (request.fileContainingExtension !== undefined) return refuse(notFound, 'no extensions')
  if (request.allExtensionNumbersOfType !== undefined) {
    const baseTypeName = request.allExtensionNumbersOfType
    if (!index.symbols.has(baseTypeName)) return refuse(notFound, `${baseTypeName}: not found`)
    return { allExtensionNumbersResponse: { baseTypeName, extensionNumber: [] } }
  }
  return refuse(unimplemented, 'a request without a question')
}

type Stream = ServerDuplexStream<ServerReflectionRequest, ServerReflectionResponse>

/** Handlers for grpc-js. */
export function reflectionHandlers(): { ServerReflectionInfo: (call: Stream) => void } {
  const index = indexOf(Buffer.from(descriptorSet, 'base64'))
  return {
    ServerReflectionInfo: (call) => {
      call.on('data', (request: ServerReflectionRequest) => {
        call.write({
          validHost: request.host,
          originalRequest: request,
          ...answer(index, request),
        })
      })
      call.on('error', () => undefined)
      call.on('end', () => call.end())
    },
  }
}
