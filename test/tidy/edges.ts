/**
 * Which room may not import what, and why. The reasons are the documentation of our directions:
 * API → model → desired → diff → maps, hook → parse → lookup → rewrite, and nothing calls back.
 */
import { posix } from 'node:path'

import ts from 'typescript'

import type { SourceFile } from './sources.ts'

export interface Edge {
  /** Files that import, by path. */
  readonly from: RegExp
  /** What they may not: a path from the top, `node:…`, or a package's name. */
  readonly to: RegExp
  readonly except?: RegExp
  readonly why: string
}

export interface Import {
  readonly from: string
  readonly to: string
  /** Names taken out of it, without those that are types only. */
  readonly names: readonly string[]
}

const product = /^(agent|native|proto)\//

export const forbiddenEdges: readonly Edge[] = [
  {
    from: /^agent\/model\//,
    to: /^(agent|native|proto)\/|^node:|^[a-z@]/,
    except: /^agent\/model\//,
    why: 'model is plain data and rules over it: whoever reads it needs to know nothing else',
  },
  {
    from: /^agent\/desired\//,
    to: /^(agent|native|proto)\/|^node:|^[a-z@]/,
    except: /^agent\/(model|desired)\//,
    why: 'desired is a pure function of the model: the same objects give the same maps on any node',
  },
  {
    from: /^agent\/kube\//,
    to: /^agent\/(desired|sync|maps|datapath|api|cli)\/|^native\//,
    why: 'kube turns objects into the model and knows nothing of what becomes of them',
  },
  {
    from: /^agent\/maps\//,
    to: /^agent\/(kube|desired|sync|datapath|api|cli)\/|^agent\/model\/(?!address)/,
    why: 'maps stores rows; what a Service is, is decided before',
  },
  {
    from: /^agent\/datapath\//,
    to: /^agent\/(kube|desired|sync|api|cli)\/|^agent\/model\/(?!address)/,
    why: 'datapath loads and attaches programs, with or without Kubernetes',
  },
  {
    from: /^agent\/sync\//,
    to: /^agent\/(kube|datapath|api|cli)\/|^native\//,
    why: 'sync plans and writes through the Table interface: fakes and kernel maps run the same code',
  },
  {
    from: /^(agent|test\/unit|test\/scenarios)\//,
    to: /^native\//,
    except: /^native\/binding\.d\.ts$/,
    why: 'only maps and datapath touch the kernel: everything else runs without root',
  },
  {
    from: /^agent\/(?!cli\/)[a-z]+\//,
    to: /^agent\/cli\//,
    why: 'cli is a leaf: commands look at the agent, the agent does not know them',
  },
  {
    from: /^agent\/(?!api\/|cli\/)[a-z]+\//,
    to: /^agent\/api\//,
    why: 'api is a leaf: it shows the other rooms, they do not know that they are shown',
  },
  {
    from: /^agent\/cli\//,
    to: /^agent\/(kube|desired|sync)\//,
    why: 'cli reads the control socket or the pins, and changes neither objects nor maps',
  },
  {
    from: /^agent\/api\//,
    to: /^agent\/kube\//,
    why: 'api shows what we keep of objects, not how they came',
  },
  {
    from: /^(?!agent\/agent\.ts$)/,
    to: /^agent\/main\.ts$/,
    why: 'main.ts alone makes long-lived objects, for the entry that runs it and for nobody else',
  },
  {
    from: product,
    to: /^test\//,
    why: 'what ships does not contain its tests',
  },
  {
    from: /^(agent|native|proto)\/.*\.ts$/,
    to: /^(esbuild|eslint|fast-check|node-gyp|prettier|tsx|typescript|vitest|protobufjs-cli|@bufbuild\/buf)(\/|$)/,
    why: 'development packages are not in the image',
  },
  {
    from: /^agent\/(?!api\/|cli\/)/,
    to: /^(@grpc\/grpc-js|fastify)(\/|$)/,
    why: 'servers belong to api, the client to cli',
  },
  {
    from: /^agent\/(?!cli\/|main\.ts|config\.ts)/,
    to: /^commander(\/|$)/,
    why: 'arguments are read at the edge; rooms get values',
  },
  {
    from: /^agent\/(?!kube\/)/,
    to: /^yaml(\/|$)/,
    why: 'kube is the only room that reads manifests and kubeconfigs',
  },
  {
    from: /^agent\/(?!log\.ts|main\.ts)/,
    to: /^pino(\/|$)/,
    why: 'one log, made in one place and passed in: repeats are folded and secrets kept out there',
  },
]

/** Rooms whose exceptions to the rule about native are their whole purpose. */
function mayImportNative(path: string): boolean {
  return /^agent\/(maps|datapath)\//.test(path)
}

function namesOf(clause: ts.ImportClause | undefined): string[] {
  if (clause === undefined || clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return []
  const bindings = clause.namedBindings
  if (bindings === undefined || !ts.isNamedImports(bindings)) return ['*']
  return bindings.elements
    .filter((element) => !element.isTypeOnly)
    .map((element) => (element.propertyName ?? element.name).text)
}

/** Every import of a TypeScript or JavaScript file; relative ones as paths from the top. */
export function importsOf(file: SourceFile): Import[] {
  const found: Import[] = []
  const add = (specifier: string, names: readonly string[]) => {
    const to = specifier.startsWith('.')
      ? posix.join(posix.dirname(file.path), specifier)
      : specifier
    found.push({ from: file.path, to, names })
  }
  const visit = (node: ts.Node) => {
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
      add(node.moduleSpecifier.text, namesOf(node.importClause))
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
      if (ts.isStringLiteral(node.moduleSpecifier)) add(node.moduleSpecifier.text, ['*'])
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [specifier] = node.arguments
      if (specifier !== undefined && ts.isStringLiteral(specifier)) add(specifier.text, ['*'])
    }
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(file.path, file.text, ts.ScriptTarget.ESNext, false))
  return found
}

/** One line per broken rule: who imports what, and why not. */
export function findBrokenEdges(imports: readonly Import[]): string[] {
  const broken: string[] = []
  for (const { from, to } of imports) {
    for (const edge of forbiddenEdges) {
      if (!edge.from.test(from) || !edge.to.test(to) || edge.except?.test(to)) continue
      if (edge.to.source === '^native\\/' && mayImportNative(from)) continue
      broken.push(`${from} imports ${to}: ${edge.why}`)
    }
  }
  return broken
}

/** One line per ring of imports, `a → b → a`; types count, since they tie rooms together as well. */
export function findCycles(imports: readonly Import[]): string[] {
  const edges = new Map<string, string[]>()
  for (const { from, to } of imports) edges.set(from, [...(edges.get(from) ?? []), to])
  const done = new Set<string>()
  const cycles: string[] = []
  const walk = (file: string, trail: readonly string[]) => {
    const at = trail.indexOf(file)
    if (at >= 0) cycles.push([...trail.slice(at), file].join(' → '))
    if (at >= 0 || done.has(file)) return
    for (const next of edges.get(file) ?? []) walk(next, [...trail, file])
    done.add(file)
  }
  for (const file of edges.keys()) walk(file, [])
  return cycles
}
