import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import {
  familyOf,
  formatAddress,
  formatEndpoint,
  parseAddress,
} from '../../../agent/model/address.ts'
import { isInside, parseCidr } from '../../../agent/model/cidr.ts'
import { specialUse } from '../../../agent/model/validate.ts'

function address(text: string): Uint8Array {
  const parsed = parseAddress(text)
  if (parsed === undefined) throw new Error(`${text} is no address`)
  return parsed
}

describe('addresses', () => {
  test('O12: leading zeros of dotted decimal are decimal, never octal', () => {
    expect(formatAddress(address('010.008.000.001'))).toBe('10.8.0.1')
  })

  test.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '1..2.3',
    '256.0.0.1',
    '1.2.3.0004',
    '1.2.3.4 ',
    '+1.2.3.4',
  ])('%j is no address', (text) => expect(parseAddress(text)).toBeUndefined())

  test.each(['1::2::3', ':1', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', 'g::', '::1%eth0', '::1.2.3'])(
    '%j is no address',
    (text) => expect(parseAddress(text)).toBeUndefined(),
  )

  test('IPv4 written as v4-mapped IPv6 is the same 16 bytes', () => {
    expect(address('::ffff:10.0.0.1')).toEqual(address('10.0.0.1'))
    expect(address('::ffff:a00:1')).toEqual(address('10.0.0.1'))
    expect(familyOf(address('::ffff:a00:1'))).toBe(4)
  })

  test('the longest run of zero groups is shortened, the first of equals (RFC 5952)', () => {
    expect(formatAddress(address('2001:db8:0:0:1:0:0:1'))).toBe('2001:db8::1:0:0:1')
    expect(formatEndpoint(address('fd00::1'), 80)).toBe('[fd00::1]:80')
  })

  test('what is formatted parses to the same bytes', () => {
    const bytes = fc.uint8Array({ minLength: 16, maxLength: 16 })
    fc.assert(
      fc.property(bytes, (some) => {
        expect(address(formatAddress(some))).toEqual(some)
      }),
    )
  })

  test('any four numbers are the address they say', () => {
    const byte = fc.integer({ min: 0, max: 255 })
    fc.assert(
      fc.property(fc.tuple(byte, byte, byte, byte), (quad) => {
        expect([...address(quad.join('.')).subarray(12)]).toEqual(quad)
      }),
    )
  })
})

describe('T1, T2: addresses that nobody may claim', () => {
  test.each([
    ['127.0.0.1', 'loopback'],
    ['127.255.255.254', 'loopback'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['::127.0.0.1', 'loopback'],
    ['::1', 'loopback'],
    ['169.254.169.254', 'link-local'],
    ['::ffff:a9fe:a9fe', 'link-local'],
    ['fe80::1', 'link-local'],
    ['febf::1', 'link-local'],
    ['224.0.0.1', 'multicast'],
    ['239.255.255.255', 'multicast'],
    ['ff02::1', 'multicast'],
    ['0.0.0.0', 'unspecified'],
    ['0.1.2.3', 'unspecified'],
    ['::', 'unspecified'],
    ['255.255.255.255', 'broadcast'],
  ])('%s is %s', (text, use) => expect(specialUse(address(text))).toBe(use))

  test.each(['10.0.0.1', '126.255.255.255', '128.0.0.1', '169.253.0.1', '223.255.255.255'])(
    '%s is an address like any other',
    (text) => expect(specialUse(address(text))).toBeUndefined(),
  )

  test.each(['fd00::1', 'fec0::1', '2001:db8::1', '64:ff9b::1'])(
    '%s is an address like any other',
    (text) => expect(specialUse(address(text))).toBeUndefined(),
  )
})

describe('ranges', () => {
  const inside = (range: string, text: string): boolean => {
    const cidr = parseCidr(range)
    return cidr !== undefined && isInside(address(text), cidr)
  }

  test.each([
    ['10.0.0.0/8', '10.255.0.1', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['10.1.2.3/8', '10.9.9.9', true],
    ['10.0.0.0/9', '10.127.0.1', true],
    ['10.0.0.0/9', '10.128.0.1', false],
    ['0.0.0.0/0', '1.2.3.4', true],
    ['0.0.0.0/0', 'fd00::1', false],
    ['::/0', 'fd00::1', true],
    ['::/0', '10.0.0.1', false],
    ['010.0.0.0/8', '10.0.0.1', true],
    ['10.0.0.1/32', '10.0.0.1', true],
    ['fd00::/64', 'fd00::ffff', true],
    ['fd00::/64', 'fd00:0:0:1::', false],
  ])('%s holds %s: %s', (range, text, is) => expect(inside(range, text)).toBe(is))

  test.each(['10.0.0.0', '10.0.0.0/33', 'fd00::/129', '10.0.0.0/-1', '10.0.0.0/', '/8', 'x/8'])(
    '%s is no range',
    (text) => expect(parseCidr(text)).toBeUndefined(),
  )
})
