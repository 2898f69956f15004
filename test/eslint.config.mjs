/** ESLint's rules: `eslint --config test/eslint.config.mjs .`; style is prettier's business. */
import { fileURLToPath } from 'node:url'

import tseslint from 'typescript-eslint'

export default tseslint.config(
  { ignores: ['**/node_modules/', 'dist/', 'build/', '**/*.gen.*', '**/*.d.ts'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: {
      parserOptions: {
        projectService: true,
        tsconfigRootDir: fileURLToPath(new URL('..', import.meta.url)),
      },
    },
    rules: {
      // An agent that forgets a promise forgets an error.
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      // A new kind, state or reason must show every place that decides by it.
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_' },
      ],
      // Interfaces of ours are async where one implementation of them is.
      '@typescript-eslint/require-await': 'off',
      // Our interfaces are records of functions, not classes: nothing in them has a `this`.
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/no-empty-object-type': [
        'error',
        { allowInterfaces: 'with-single-extends' },
      ],
      eqeqeq: 'error',
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'No default exports: name it.' },
        { selector: 'ExportAllDeclaration', message: 'No barrels: import from where it stands.' },
      ],
    },
  },
  {
    // Tests read JSON that they themselves made.
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
    },
  },
  {
    // Tools want their configuration as a default export.
    files: ['test/*.config.ts'],
    rules: { 'no-restricted-syntax': 'off' },
  },
)
