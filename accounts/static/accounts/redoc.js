// ReDoc asks a CDN for its maker's logo and has no setting against that. The page's policy refuses it, which every reader would
// find as errors in the console. It draws no other picture, so pictures that its scripts make are never told an address.
Object.defineProperty(HTMLImageElement.prototype, "src", { set() {} });
HTMLImageElement.prototype.setAttribute = function (name, value) {
  if (name !== "src") Element.prototype.setAttribute.call(this, name, value);
};
