import SwageTensor

public struct SessionOptions: Hashable, Sendable {
  /// Threads that kernels and library calls may use; nil takes all cores this process may use. What generated kernels
  /// compute does not depend on it; oneDNN may sum in another order.
  public var threads: Int?
  /// Most bytes of working memory: buffers, scratch memory and repacked weights. nil allows the machine's memory.
  public var memoryLimit: Int?

  public init(threads: Int? = nil, memoryLimit: Int? = nil) {
    self.threads = threads
    self.memoryLimit = memoryLimit
  }
}

/// An input or output of a session.
public struct PortDescription: Hashable, Sendable {
  public var name: String
  /// Sizes are expressions over the entry point's symbols.
  public var type: TensorType
  /// What a port that is no tensor holds; `type` is then a scalar of type `object`.
  public var objectType: ValueType?

  public init(name: String, type: TensorType, objectType: ValueType? = nil) {
    self.name = name
    self.type = type
    self.objectType = objectType
  }
}
