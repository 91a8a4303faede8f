import CRuntime
import SwagePlan
import SwageTensor

/// The native modules of a plan, loaded; unloaded with the last user.
final class NativeModules {
  private var handles: [UnsafeMutableRawPointer?]
  private let names: [String]
  private var functions: [[String: swage_kernel]]

  /// Loads the modules that `isUsed` names.
  init(_ modules: [NativeModule], isUsed: (Int) -> Bool) throws {
    handles = [UnsafeMutableRawPointer?](repeating: nil, count: modules.count)
    functions = [[String: swage_kernel]](repeating: [:], count: modules.count)
    names = modules.map(\.name)
    for (index, module) in modules.enumerated() where isUsed(index) {
      var reason = [CChar](repeating: 0, count: 512)
      let handle = withExtendedLifetime(module.image) {
        swage_module_load(module.image.base, module.image.byteCount, &reason, reason.count)
      }
      guard let handle else {
        let text = String(decoding: reason.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        throw RuntimeError.moduleLoad(module: module.name, reason: text)
      }
      handles[index] = handle
    }
  }

  deinit {
    for handle in handles { swage_module_unload(handle) }
  }

  func function(_ name: String, of module: Int) throws -> swage_kernel {
    if let known = functions[module][name] { return known }
    guard let handle = handles[module], let address = swage_module_symbol(handle, name) else {
      throw RuntimeError.missingFunction(module: names[module], function: name)
    }
    let function = unsafeBitCast(address, to: swage_kernel.self)
    functions[module][name] = function
    return function
  }
}
