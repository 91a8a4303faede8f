import SwageFrontend
import SwageGraph
import SwagePasses
import SwagePlan
import SwageTensor

/// One entry point of a text-to-image plan: the ports that its graph must have, and sizes that are known beforehand.
struct CheckpointPart {
  struct Input {
    var name: String
    /// f32, or i64 for token ids.
    var elementType: ElementType
    /// What is known of each axis; nil stays as the graph has it.
    var sizes: [Int?]
  }

  /// The entry point, and the name of the graph's file.
  var name: String
  var component: String
  var inputs: [Input]
  /// Outputs that the plan hands out, all f32.
  var outputs: [String]

  /// Parts in the order in which they run.
  static func parts(of description: PipelineDescription) -> [Self] {
    let tokens = description.textEncoders.first?.maximumTokens
    let single = description.fixedBatch.map { _ in 1 }
    let (height, width) = (description.fixedHeight, description.fixedWidth)
    let factor = description.vaeScaleFactor
    let latent = [height.map { $0 / factor }, width.map { $0 / factor }]
    var parts = description.textEncoders.map { encoder in
      Self(
        name: encoder.entryPoint, component: encoder.entryPoint,
        inputs: [Input(name: "input_ids", elementType: .i64, sizes: [single, encoder.maximumTokens])],
        outputs: [encoder.embedding] + (encoder.pooled.map { [$0] } ?? []))
    }
    // With guidance every picture has two rows; a UNet that takes the guidance as an input has one.
    let rows = description.fixedBatch.map { description.guidanceEmbeddingSize == nil ? 2 * $0 : $0 }
    var unetInputs = [
      Input(name: "sample", elementType: .f32, sizes: [rows, description.denoiserChannels] + latent),
      Input(name: "timestep", elementType: .f32, sizes: [1]),
      Input(name: "encoder_hidden_states", elementType: .f32, sizes: [rows, tokens, nil]),
    ]
    if description.addsTimeIDs {
      unetInputs.append(Input(name: "text_embeds", elementType: .f32, sizes: [rows, nil]))
      unetInputs.append(Input(name: "time_ids", elementType: .f32, sizes: [rows, 6]))
    }
    if let size = description.guidanceEmbeddingSize {
      unetInputs.append(Input(name: "timestep_cond", elementType: .f32, sizes: [rows, size]))
    }
    parts.append(Self(name: "unet", component: "unet", inputs: unetInputs, outputs: ["out_sample"]))
    parts.append(
      Self(
        name: "vae_decoder", component: "vae",
        inputs: [
          Input(name: "latent_sample", elementType: .f32, sizes: [single, description.latentChannels] + latent)
        ], outputs: ["sample"]))
    if description.hasEncoder {
      parts.append(
        Self(
          name: "vae_encoder", component: "vae",
          inputs: [Input(name: "sample", elementType: .f32, sizes: [single, 3, height, width])],
          outputs: ["latent_parameters"]))
    }
    return parts
  }

  /// The graph with exactly these ports, in these types, on the sizes that are known. Text encoders' token ids and the
  /// like that the file has in other types are cast.
  func shaped(_ graph: Graph, file: String) throws -> Graph {
    func refuse(_ reason: String) -> DiffusersError { .ports(file: file, part: name, reason: reason) }
    var ports: [GraphPort] = []
    var values: [String: Dim] = [:]
    for input in inputs {
      guard let value = graph.inputs.first(where: { graph[$0].name == input.name }) else {
        throw refuse("it has no input \(input.name)")
      }
      let type = graph.type(of: value)
      // A timestep may be a scalar, of any type: the pipeline looks at the port.
      let isTimestep = input.name == "timestep"
      ports.append(GraphPort(value, name: input.name, elementType: isTimestep ? nil : input.elementType))
      if isTimestep, type.rank == 0 { continue }
      guard type.rank == input.sizes.count else { throw refuse("the input \(input.name) is \(type)") }
      for (axis, (size, known)) in zip(type.shape, input.sizes).enumerated() {
        guard let known else { continue }
        if let symbol = size.symbolName {
          if let other = values.updateValue(Dim(known), forKey: symbol), other != Dim(known) {
            throw refuse("\(symbol) would be \(other) and \(known)")
          }
        } else if size != Dim(known) {
          throw refuse("axis \(axis) of the input \(input.name) is \(size), not \(known)")
        }
      }
    }
    if let extra = graph.inputs.first(where: { value in !inputs.contains { $0.name == graph[value].name } }) {
      throw refuse("it has an input \(graph[extra].name), which no checkpoint of this kind has")
    }
    let outputPorts = try outputs.map { output -> GraphPort in
      guard let index = graph.outputNames.firstIndex(of: output) else { throw refuse("it has no output \(output)") }
      return GraphPort(graph.outputs[index], name: output, elementType: .f32)
    }
    var result = try graph.extracting(name: name, inputs: ports, outputs: outputPorts)
    if !values.isEmpty { try result.substitute(values) }
    return result
  }
}
