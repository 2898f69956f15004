/**
 * Reads the .BTF section of a little-endian ELF64 object: the structs and enums in it.
 * Format: Documentation/bpf/btf.rst of the kernel.
 */

/** The bytes of section `name`. Throws if there is none. */
function section(elf, name) {
  const at = Number(elf.readBigUInt64LE(40)) // e_shoff
  const size = elf.readUInt16LE(58)
  const count = elf.readUInt16LE(60)
  const headers = Array.from({ length: count }, (_, i) => {
    const header = at + i * size
    return {
      name: elf.readUInt32LE(header),
      offset: Number(elf.readBigUInt64LE(header + 24)),
      size: Number(elf.readBigUInt64LE(header + 32)),
    }
  })
  const names = headers[elf.readUInt16LE(62)].offset
  for (const header of headers) {
    const text = names + header.name
    if (elf.toString('latin1', text, elf.indexOf(0, text)) === name) {
      return elf.subarray(header.offset, header.offset + header.size)
    }
  }
  throw new Error(`read BTF: the object has no section ${name}: compile it with -g`)
}

const kinds = {
  1: 'int',
  3: 'array',
  4: 'struct',
  6: 'enum',
  8: 'typedef',
  14: 'var',
  15: 'datasec',
}

/** Bytes that follow the common 12 of a type. */
function tailBytes(kind, vlen) {
  if (kind === 1 || kind === 14 || kind === 17) return 4
  if (kind === 3) return 12
  if (kind === 4 || kind === 5 || kind === 15 || kind === 19) return vlen * 12
  if (kind === 6 || kind === 13) return vlen * 8
  return 0
}

function member(btf, string, tail, i) {
  const at = tail + i * 12
  return {
    name: string(btf.readUInt32LE(at)),
    type: btf.readUInt32LE(at + 4),
    offset: btf.readUInt32LE(at + 8) / 8,
  }
}

/** Every type by id; id 0 is void. */
export function readBtf(elf) {
  const btf = section(elf, '.BTF')
  const header = btf.readUInt32LE(4)
  const end = header + btf.readUInt32LE(8) + btf.readUInt32LE(12)
  const strings = header + btf.readUInt32LE(16)
  const string = (offset) =>
    btf.toString('latin1', strings + offset, btf.indexOf(0, strings + offset))
  const types = [{ kind: 'void', name: 'void', size: 0 }]
  for (let at = header + btf.readUInt32LE(8); at < end;) {
    const info = btf.readUInt32LE(at + 4)
    const [kind, vlen, tail] = [(info >> 24) & 31, info & 0xffff, at + 12]
    const items = Array.from({ length: vlen })
    const sizeOrType = btf.readUInt32LE(at + 8)
    const type = {
      kind: kinds[kind] ?? 'other',
      name: string(btf.readUInt32LE(at)),
      size: sizeOrType,
      target: sizeOrType,
    }
    if (kind === 3)
      [type.target, type.length] = [btf.readUInt32LE(tail), btf.readUInt32LE(tail + 8)]
    if (kind === 4) type.members = items.map((_, i) => member(btf, string, tail, i))
    if (kind === 6) {
      type.values = items.map((_, i) => ({
        name: string(btf.readUInt32LE(tail + i * 8)),
        value: btf.readInt32LE(tail + i * 8 + 4),
      }))
    }
    types.push(type)
    at = tail + tailBytes(kind, vlen)
  }
  return types
}
