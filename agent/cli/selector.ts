/** The word that names a Service on the command line. */
import { everything, type ServiceFilter } from '../api/view.ts'
import { FairleadError } from '../errors.ts'
import { formatEndpoint, parseAddress } from '../model/address.ts'

/** Undefined if the port is none or the address is none. */
function frontendOf(word: string): string | undefined {
  const at = word.lastIndexOf(':')
  const port = /^[0-9]{1,5}$/.test(word.slice(at + 1)) ? Number(word.slice(at + 1)) : 0
  if (at < 0 || port < 1 || port > 65535) return undefined
  const host = word.slice(0, at)
  if (host === '*' || host === '') return `*:${port}`
  const address = parseAddress(host.replace(/^\[(.*)\]$/, '$1'))
  return address === undefined ? undefined : formatEndpoint(address, port)
}

/**
 * `namespace/name`, `name`, an id, `10.96.0.1:443`, `[fd00::1]:443`, `*:30080` (a NodePort).
 * @param word undefined or '': all, within `namespace`
 * @throws FairleadError USAGE
 */
export function selectorOf(word: string | undefined, namespace: string): ServiceFilter {
  if (word === undefined || word === '') return { ...everything, namespace }
  if (/^[0-9]{1,9}$/.test(word)) return { ...everything, namespace, id: Number(word) }
  if (word.includes(':')) {
    const frontend = frontendOf(word)
    if (frontend !== undefined) return { ...everything, namespace, frontend }
  } else {
    const parts = word.split('/')
    const [first = '', second = ''] = parts
    if (parts.length === 1) return { ...everything, namespace, name: first }
    if (parts.length === 2 && first !== '' && second !== '') {
      if (namespace !== '' && namespace !== first) {
        const message = `'${word}' is not in namespace ${namespace}`
        throw new FairleadError('USAGE', message, 'leave --namespace away')
      }
      return { ...everything, namespace: first, name: second }
    }
  }
  throw new FairleadError(
    'USAGE',
    `'${word}' names no Service`,
    'namespace/name, an id, or a frontend such as 10.96.0.1:443 or *:30080',
  )
}
