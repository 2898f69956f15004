/** Text of agent/maps/abi.gen.ts, part by part. */

export const emitHead = `/**
 * Generated from bpf/abi.h by bpf/gen.mjs: do not edit, run \`npm run gen\`.
 *
 * Layouts of everything that programs and agent share. \`read\` and \`write\` know the byte order of
 * each field; \`write\` zeroes padding. \`at\` is each field's offset in bytes, for loops over columns.
 */

/** A struct as the C compiler laid it out, to be compared with the kernel's BTF of a map. */
export interface AbiLayout {
  readonly name: string
  readonly size: number
  readonly fields: readonly {
    readonly name: string
    readonly type: string
    readonly offset: number
    readonly size: number
  }[]
}

function bytesAt(view: DataView, offset: number, length: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + offset, length)
}
`

const camel = (text) => text.toLowerCase().replace(/_(\w)/g, (_, c) => c.toUpperCase())
const pascal = (text) => camel(text).replace(/^./, (c) => c.toUpperCase())
const isPadding = (name) => /^pad\d*$/.test(name)

/** What each integer type of abi.h is in a DataView: method, extra argument for host byte order. */
const integers = {
  __u8: { bytes: 1, method: 'Uint8', order: '' },
  __u16: { bytes: 2, method: 'Uint16', order: ', true' },
  __u32: { bytes: 4, method: 'Uint32', order: ', true' },
  __u64: { bytes: 8, method: 'BigUint64', order: ', true' },
  __be16: { bytes: 2, method: 'Uint16', order: '' },
  __be32: { bytes: 4, method: 'Uint32', order: '' },
}

function typeName(type, types) {
  if (type.kind === 'struct') return `struct ${type.name}`
  if (type.kind === 'array') return `${typeName(types[type.target], types)}[${type.length}]`
  return type.name
}

function sizeOf(type, types) {
  if (type.kind === 'array') return type.length * sizeOf(types[type.target], types)
  if (type.kind === 'typedef') return sizeOf(types[type.target], types)
  return type.size
}

/** TypeScript type, and expressions that read and write one value at `offset` (text). */
function access(type, types, name) {
  const number = integers[type.name]
  if (type.kind === 'typedef' && number) {
    return {
      ts: number.bytes === 8 ? 'bigint' : 'number',
      read: (at) => `view.get${number.method}(${at}${number.order})`,
      write: (at, value) => `view.set${number.method}(${at}, ${value}${number.order})`,
    }
  }
  if (type.name === 'fl_addr') return raw(16)
  if (type.kind === 'struct') {
    const ref = camel(type.name)
    return {
      ts: pascal(type.name),
      read: (at) => `${ref}.read(view, ${at})`,
      write: (at, value) => `${ref}.write(view, ${at}, ${value})`,
    }
  }
  if (type.kind === 'array' && types[type.target].name === '__u8') return raw(type.length)
  if (type.kind === 'array') return list(type, types, name)
  throw new Error(`generate ${name}: ${type.kind} ${type.name}: use the fixed-width types of abi.h`)
}

function raw(length) {
  return {
    ts: 'Uint8Array',
    read: (at) => `bytesAt(view, ${at}, ${length}).slice()`,
    write: (at, value) => `bytesAt(view, ${at}, ${length}).set(${value})`,
  }
}

function list(type, types, name) {
  const element = access(types[type.target], types, name)
  const step = sizeOf(types[type.target], types)
  return {
    ts: `readonly ${element.ts}[]`,
    read: (at) =>
      `Array.from({ length: ${type.length} }, (_, i) => ${element.read(`${at} + i * ${step}`)})`,
    write: (at, value) =>
      `${value}.forEach((item, i) => ${element.write(`${at} + i * ${step}`, 'item')})`,
  }
}

/** Fails on bytes that no field names: their content would be chance. */
function refusePadding(struct, types) {
  let end = 0
  for (const member of struct.members) {
    if (member.offset !== end) {
      throw new Error(
        `generate ${struct.name}: ${member.offset - end} bytes of implicit padding ` +
          `before ${member.name}: write pad[] there`,
      )
    }
    end += sizeOf(types[member.type], types)
  }
  if (end !== struct.size) {
    throw new Error(`generate ${struct.name}: implicit padding at its end: write pad[] there`)
  }
}

const doc = (text) => (text ? `  /** ${text} */\n` : '')

function emitInterface(struct, fields, comments) {
  const rows = fields.map((field) => {
    const order = field.type.startsWith('__be') ? '; converted to host order' : ''
    const text = comments.get(`${struct.name}.${field.name}`)
    return `${doc(text && text + order)}  readonly ${camel(field.name)}: ${field.ts}\n`
  })
  return `export interface ${pascal(struct.name)} {\n${rows.join('')}}\n`
}

export function emitStruct(struct, types, comments) {
  refusePadding(struct, types)
  if (struct.name === 'fl_addr') return ''
  const all = struct.members.map((member) => {
    const type = types[member.type]
    return {
      name: member.name,
      offset: member.offset,
      type: typeName(type, types),
      size: sizeOf(type, types),
      ...access(type, types, `${struct.name}.${member.name}`),
    }
  })
  const fields = all.filter((field) => !isPadding(field.name))
  const at = (field) => (field.offset ? `offset + ${field.offset}` : 'offset')
  const lines = [
    `export const ${camel(struct.name)} = {`,
    `  size: ${struct.size},`,
    '  at: {',
    ...fields.map((field) => `    ${camel(field.name)}: ${field.offset},`),
    '  },',
    '  layout: {',
    `    name: '${struct.name}',`,
    `    size: ${struct.size},`,
    '    fields: [',
    ...all.map(
      (field) =>
        `      { name: '${field.name}', type: '${field.type}', offset: ${field.offset}, ` +
        `size: ${field.size} },`,
    ),
    '    ],',
    '  } satisfies AbiLayout,',
    `  read(view: DataView, offset: number): ${pascal(struct.name)} {`,
    '    return {',
    ...fields.map((field) => `      ${camel(field.name)}: ${field.read(at(field))},`),
    '    }',
    '  },',
    `  write(view: DataView, offset: number, value: ${pascal(struct.name)}): void {`,
    ...all.map((field) =>
      isPadding(field.name)
        ? `    bytesAt(view, ${at(field)}, ${field.size}).fill(0)`
        : `    ${field.write(at(field), `value.${camel(field.name)}`)}`,
    ),
    '  },',
    '} as const',
    '',
  ]
  return `${emitInterface(struct, fields, comments)}${lines.join('\n')}`
}

/** Words that all names begin with; of a single name, those that the enum's own name has. */
function commonWords(names, enumName) {
  const all = names.map((name) => name.split('_'))
  if (all.length === 1) all.push(enumName.toUpperCase().split('_'))
  let n = 0
  while (n < all[0].length - 1 && all.every((words) => words[n] === all[0][n])) n++
  return n
}

export function emitEnum(type, comments) {
  const skip = commonWords(
    type.values.map((value) => value.name),
    type.name,
  )
  const key = (name) => camel(name.split('_').slice(skip).join('_'))
  const ref = camel(type.name)
  const lines = type.values.map(
    ({ name, value }) => `${doc(comments.get(name))}  ${key(name)}: ${value},\n`,
  )
  let text = `export const ${ref} = {\n${lines.join('')}} as const\n`
  if (type.name !== 'fl_reason') return text
  const reasons = type.values.filter(({ name }) => !name.endsWith('_N'))
  reasons.forEach(({ name, value }, i) => {
    if (value !== i || !comments.has(name)) {
      throw new Error(`generate ${name}: reasons count up from 0 and each has a comment`)
    }
  })
  const rows = reasons.map(({ name }) => {
    const label = name.replace(/^FL_/, '').toLowerCase()
    return `  { name: '${label}', text: ${JSON.stringify(comments.get(name))} },\n`
  })
  text += '\n/** Label of metrics and text in listings, by value of `flReason`. */\n'
  return `${text}export const reasonTexts = [\n${rows.join('')}] as const\n`
}

export function emitNames(maps, packetMaps, programs) {
  const layout = (type) => {
    const name = /^struct (\w+)$/.exec(type)?.[1]
    return name && name !== 'fl_addr' ? `${camel(name)}.layout` : 'null'
  }
  const rows = (maps) =>
    [...maps].map(
      ([name, { key, value }]) => `  ${name}: { key: ${layout(key)}, value: ${layout(value)} },\n`,
    )
  const sections = [...programs].map(([name, section]) => `  ${name}: '${section}',\n`)
  return `/** Every map of the socket programs, with the layouts of its key and value; null for those that are no struct. */
export const mapLayouts = {
${rows(maps).join('')}} as const
export type MapName = keyof typeof mapLayouts

/** The maps that only the packet programs have. */
export const packetMapLayouts = {
${rows(packetMaps).join('')}} as const
export type PacketMapName = keyof typeof packetMapLayouts

/** Every program, with its section, which names its hook. */
export const programSections = {
${sections.join('')}} as const
export type ProgramName = keyof typeof programSections
`
}
