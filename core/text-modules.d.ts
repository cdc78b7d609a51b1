/** Files that the bundler puts into the binary as text. */
declare module "*.md" {
  const text: string
  export default text
}
declare module "*.sql" {
  const text: string
  export default text
}
